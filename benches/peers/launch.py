"""Starts programs for measure.py and says what each cost; a small process of its own.

Linux counts what the parent held when it started a program as the program's own peak memory: the parent must be small.
One JSON list of commands a line in, one JSON object a line out.
"""

import json
import os
import subprocess
import sys
import tempfile
import time


def run(commands):
    seconds = cpu = peak = 0
    printed = ""
    for command in commands:
        began = time.perf_counter()
        # Into files: a pipe that nobody reads meanwhile would fill.
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(program.pid, 0)
        seconds += time.perf_counter() - began
        program.returncode = os.waitstatus_to_exitcode(status)
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
        printed = tail(out)
        if program.returncode:
            return {"error": f"exit {program.returncode}: {tail(err)[-300:]}"}
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak, "started": own(printed)}


def tail(file):
    """The last line."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - 1000))
    return file.read().decode(errors="replace").strip().rpartition("\n")[2]


def own(last):
    """What a program that measures itself from after its start says on its last line, or None."""
    if not last.startswith('{"seconds"'):
        return None
    told = json.loads(last)
    return {"seconds": told["seconds"], "cpu_seconds": told["cpu_seconds"]}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
