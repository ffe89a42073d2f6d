"""The viewer's pictures in docs/images, of media that ffmpeg makes. usage: pictures.py [FOLDER]"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image, ImageDraw  # noqa: E402

from tests.support import rpc  # noqa: E402
from tests.support.browser import chromium, looking  # noqa: E402
from tests.support.framecache import ROOT, Framecache  # noqa: E402
from tests.support.web import Web, of  # noqa: E402

FOLDER = ROOT / "docs" / "images"
MOST_BYTES = 150_000
SIZE = {"width": 1180, "height": 820}
#: Two films one after the other, the second of two scenes.
SOURCES = {
    "one": "mandelbrot=size=480x270:rate=10:end_scale=0.02:end_pts=120,trim=duration=10",
    "two": "gradients=size=480x270:rate=10:duration=5:seed=4:n=5:speed=0.02[a];testsrc2=size=480x270:rate=10:duration=6[b];[a][b]concat=n=2",
}


def films(fc, folder):
    for name, graph in SOURCES.items():
        graph += ",setsar=1,format=yuv420p"
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-filter_complex", graph, folder / f"{name}.mp4"], check=True, timeout=120)
    fc.extract("film", "--all", folder / "one.mp4", folder / "two.mp4")


def boxes(server, seq):
    """An overlay such as a detector draws."""
    picture = Image.new("RGBA", (480, 270))
    drawing = ImageDraw.Draw(picture)
    drawing.rectangle((150, 60, 320, 210), outline=(255, 220, 0, 255), width=3)
    png = io.BytesIO()
    picture.save(png, "PNG")
    client = Web(server.http)
    assert client.ask("PUT", of("film", "overlays", "detector", "boxes", seq, "found.png"), body=png.getvalue()).status == 201
    client.close()


def make(browser, target, work):
    """Writes viewer-light.jpg and viewer-dark.jpg into the folder `target`; gives their paths."""
    target.mkdir(parents=True, exist_ok=True)
    fc, written = Framecache(work / "store"), []
    films(fc, work)
    with rpc.start_server(fc.store, "--http", "127.0.0.1:0", cwd=work) as server:
        boxes(server, 64)
        # What the plot is made of may not be told yet.
        plotted = Web(server.http).get(of("film", "cuts")).status == 200
        for scheme in ("light", "dark"):
            with looking(browser, color_scheme=scheme, viewport=SIZE) as seen:
                seen.goto(f"http://{server.http}/view/film?frame=64")
                seen.wait_for_selector(".overlays img")
                if plotted:
                    seen.keyboard.press("p")
                    seen.wait_for_function("() => document.querySelector('.plot .told')?.innerText.includes('cut')")
                seen.wait_for_function("() => { const c = document.querySelector('#tile-64 canvas'); return c.getContext('2d').getImageData(9, 9, 1, 1).data[3] > 0 }")
                seen.wait_for_function("() => document.querySelector('.facts')?.textContent.includes('sha256')")
                seen.wait_for_timeout(500)
                path = target / f"viewer-{scheme}.jpg"
                Image.open(seen.shot(f"picture-{scheme}")).convert("RGB").save(path, quality=82, optimize=True)
                assert path.stat().st_size < MOST_BYTES, path
                written.append(path)
    return written


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch, chromium() as started:
        for made in make(started, Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, Path(scratch)):
            print(made, made.stat().st_size)
