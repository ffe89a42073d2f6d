"""A detection loop: python detection.py VIDEO

Frames go letterboxed into a detector, its boxes come back to the stored frames' pixels, and what was seen is kept
as overlays beside the frames (`framecache sheet detection --overlay boxes -o sheet.jpg` shows them).
"""

import sys

import numpy as np
from PIL import Image, ImageDraw

import framecache

SIDE = 320


def detect(picture):
    """Stands for a model: (SIDE, SIDE, 3) uint8 in, boxes (K, 4) in its pixels out: where it is brightest."""
    light = picture.astype(int).sum(2)
    cells = light.reshape(SIDE // 32, 32, SIDE // 32, 32).mean((1, 3))
    row, column = np.unravel_index(cells.argmax(), cells.shape)
    return np.array([[column * 32, row * 32, column * 32 + 32, row * 32 + 32]], float)


def drawn(boxes, width, height):
    """A transparent picture of a frame's size with its boxes."""
    canvas = Image.new("RGBA", (width, height))
    for box in boxes:
        ImageDraw.Draw(canvas).rectangle(box.tolist(), outline=(255, 0, 0, 255), width=2)
    return np.asarray(canvas)


def main(video):
    with framecache.Client() as client:
        made = client.extract("detection", video, fps=1)
        sizes = {known.sequence: (known.width, known.height) for known in client.facts("detection")}
        for batch in client.tensors("detection", width=SIDE, height=SIDE, fit="letterbox", pad_value=0, batch=4):
            overlays = {}
            for place, sequence in enumerate(batch.sequences.tolist()):
                boxes = batch.to_source(detect(batch.array[place]), place)
                overlays[sequence] = {"boxes": drawn(boxes, *sizes[sequence])}
                print(f"{batch.timestamps[place]:8.3f} s: {boxes.round(1).tolist()}")
            client.overlays.put("detection", "job-1", "boxes", overlays)
        print(f"{len(client.overlays.frames('detection', 'job-1', 'boxes'))} of {made.frames} frames have overlays")


if __name__ == "__main__":
    main(sys.argv[1])
