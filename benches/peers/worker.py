"""Runs a Python tool on a job and prints how long that took, imports not counted: worker.py MODULE VARIANT ENCODER JOB.

With no job it only imports the tool, and prints the version of what it stands for.
"""

import importlib
import importlib.metadata
import json
import os
import sys
import time

import numpy as np

from jobs import Job
from tools import jpeg

PACKAGES = {"pyav": "av", "opencv": "opencv-python-headless", "arrays": "simplejpeg"}


def cpu_seconds():
    times = os.times()
    return times.user + times.system


def main():
    module, variant, encoder, *job = sys.argv[1:]
    tool = importlib.import_module(f"tools.{module}")
    # Encoders are imported where they are first used.
    getattr(jpeg, encoder)(np.zeros((24, 16) if encoder == "planes" else (16, 16, 3), np.uint8), 80)
    if not job:
        print(importlib.metadata.version(PACKAGES.get(module, module)))
        return
    job = Job(**json.loads(job[0]))
    prepared = [tool.prepare(job)] if hasattr(tool, "prepare") else []
    began, cpu = time.perf_counter(), cpu_seconds()
    tool.run(job, variant, *prepared)
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - cpu}))


if __name__ == "__main__":
    main()
