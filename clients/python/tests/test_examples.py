"""The examples run as they stand."""

import ast
import importlib.util
import json
import subprocess
import sys

from .conftest import encode

#: Where PyTorch is too large to install: of its DataLoader what the example needs.
TORCH = '''
import multiprocessing, sys, types

def tensor(array):
    array.mean()
    return array

class Dataset:
    __class_getitem__ = classmethod(lambda kind, _: kind)

class IterableDataset(Dataset):
    pass

class Info:
    def __init__(self, id, num_workers):
        self.id, self.num_workers = id, num_workers

info = None

def get_worker_info():
    return info

def work(dataset, id, count, queue):
    global info
    info = Info(id, count)
    try:
        for item in dataset:
            queue.put(item)
        queue.put(None)
    except BaseException as error:
        queue.put(error)

def DataLoader(dataset, batch_size, num_workers, multiprocessing_context):
    context = multiprocessing.get_context(multiprocessing_context)
    queue = context.Queue()
    workers = [context.Process(target=work, args=(dataset, id, num_workers, queue)) for id in range(num_workers)]
    for worker in workers:
        worker.start()
    left = num_workers
    while left:
        item = queue.get(timeout=60)
        if isinstance(item, BaseException):
            raise item
        if item is None:
            left -= 1
        else:
            yield item
    for worker in workers:
        worker.join()

torch = types.ModuleType("torch")
torch.from_numpy = tensor
torch.distributed = types.SimpleNamespace(is_available=lambda: False)
utils, data = types.ModuleType("torch.utils"), types.ModuleType("torch.utils.data")
data.Dataset, data.IterableDataset = Dataset, IterableDataset
data.get_worker_info, data.DataLoader = get_worker_info, DataLoader
sys.modules.update({"torch": torch, "torch.utils": utils, "torch.utils.data": data})
'''


def run(path, *arguments, cwd):
    command = [sys.executable, str(path), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_loader_shares_all_frames_out(example_folder, clip, tmp_path):
    path = example_folder / "dataloader.py"
    if importlib.util.find_spec("torch") is None:
        stand_in = tmp_path / "dataloader.py"
        stand_in.write_text(TORCH + path.read_text())
        path = stand_in
    lines = run(path, clip, 4, cwd=clip.parent)
    assert lines[-1] == "8 frames" and sum("(2, 3, 224, 224)" in line for line in lines) == 4


def test_the_detector_finds_what_moves_and_keeps_overlays(example_folder, tmp_path):
    white = "color=black:size=640x360:rate=25:duration=3,drawbox=x=500:y=100:w=80:h=80:color=white:t=fill"
    clip = encode(white, tmp_path / "box.mp4")
    lines = run(example_folder / "detection.py", clip, cwd=tmp_path)
    assert lines[-1] == "3 of 3 frames have overlays"
    for line in lines[:3]:
        x1, y1, x2, y2 = json.loads(line.partition(": ")[2])[0]
        # A cell of 32 output pixels is 64 stored ones.
        assert (x2 - x1, y2 - y1) == (64, 64) and 480 <= x1 and x2 <= 600 and 60 <= y1 and y2 <= 200


def test_the_notebook_runs_cell_by_cell_and_shows_what_it_ends_with(example_folder, clip, monkeypatch):
    monkeypatch.setenv("VIDEO", str(clip))
    monkeypatch.chdir(clip.parent)
    cells = json.loads((example_folder / "timeline.ipynb").read_text())["cells"]
    scope, shown = {}, []
    for cell in cells:
        if cell["cell_type"] == "code":
            *rest, last = ast.parse("".join(cell["source"])).body
            ends = isinstance(last, ast.Expr)
            exec(compile(ast.Module(rest if ends else [*rest, last], []), "timeline.ipynb", "exec"), scope)
            if ends:
                shown.append(eval(compile(ast.Expression(last.value), "timeline.ipynb", "eval"), scope))
    assert scope["found"].state == "complete" and len(scope["hashes"]) == 12 and len(scope["changes"]) == 11
    made, found, sheet, frame, *_ = shown
    assert frame._repr_jpeg_()[:2] == b"\xff\xd8" and sheet._repr_png_()[:4] == b"\x89PNG"
    assert "Extraction of look" in made._repr_html_() and "Timeline look" in found._repr_html_()


def test_the_notebook_carries_no_output(example_folder):
    cells = json.loads((example_folder / "timeline.ipynb").read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells)
