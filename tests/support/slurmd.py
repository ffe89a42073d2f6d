"""Slurm on this machine alone: its own daemons, over a folder, on ports of their own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from . import framecache as runner
from .nats import PATH

CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}
SlurmdSpoolDir={folder}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=64 Boards=1 SocketsPerBoard=1 CoresPerSocket=64 ThreadsPerCore=1
SlurmdParameters=config_overrides
PartitionName=all Nodes=ALL Default=YES State=UP
"""


class Slurm:
    def __init__(self, folder):
        self.folder = folder
        self.environment = runner.clean_environment(SLURM_CONF=str(folder / "slurm.conf"))
        # By its own name on the PATH of jobs.
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/framecache").symlink_to(runner.BINARY)
        self.environment["PATH"] = f"{folder / 'bin'}:{PATH}"

    def ask(self, *words, **variables):
        given = {name: str(value) for name, value in variables.items()}
        return subprocess.run(
            [str(word) for word in words], env={**self.environment, **given}, cwd=self.folder, capture_output=True, text=True, timeout=120
        )

    def batch(self, script, array, *words, **variables):
        """Runs a script of deploy/slurm as an array job; "STATE STATUS:SIGNAL" of each task, by its number."""
        options = ["--parsable", "--cpus-per-task=1", array]
        done = self.ask("sbatch", *options, runner.ROOT / "deploy/slurm" / f"{script}.sbatch", *words, **variables)
        job = done.stdout.strip()
        assert job, done.stderr
        wait_for(lambda: not {each["JobState"] for each in self.tasks(job)} & {"PENDING", "RUNNING", "COMPLETING"}, self.folder)
        tasks = sorted(self.tasks(job), key=lambda task: int(task["ArrayTaskId"]))
        return [f"{each['JobState']} {each['ExitCode']}" for each in tasks]

    def tasks(self, job):
        shown = self.ask("scontrol", "--oneliner", "show", "job", job).stdout.splitlines()
        return [dict(each.split("=", 1) for each in line.split() if "=" in each) for line in shown]

    def said(self):
        return "".join(log.read_text() for log in sorted(self.folder.glob("framecache-*.log")))


@contextlib.contextmanager
def running(folder):
    programs = {name: shutil.which(name, path=PATH) for name in ("munged", "slurmctld", "slurmd")}
    assert all(programs.values()), "Slurm is missing: scripts/install.sh test"
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons start as root alone")
    slurm = Slurm(folder)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    (folder / "slurm.conf").write_text(CONFIG.format(folder=folder, host=host, ports=free_ports()))
    munge = {"key": "key-file", "sock": "socket", "pid": "pid-file", "log": "log-file", "seed": "seed-file"}
    options = [f"--{option}={folder}/munge.{end}" for end, option in munge.items()]
    commands = [
        [programs["munged"], "--foreground", "--force", *options],
        [programs["slurmctld"], "-D"],
        [programs["slurmd"], "-D"],
    ]
    with contextlib.ExitStack() as daemons:
        for command in commands:
            log = daemons.enter_context(open(folder / f"{os.path.basename(command[0])}.out", "wb"))
            process = subprocess.Popen(command, env=slurm.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            daemons.callback(end, process)
            wait_for(lambda: (folder / "munge.sock").exists(), folder)
        wait_for(lambda: "idle" in slurm.ask("sinfo", "--noheader", "--format=%t").stdout, folder)
        try:
            yield slurm
        finally:
            slurm.ask("scancel", "--me")
            wait_for(lambda: not slurm.ask("squeue", "--noheader").stdout, folder)


def free_ports():
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for(fact, folder):
    last = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < last, "".join(log.read_text() for log in folder.glob("*.out"))
        time.sleep(0.05)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    finally:
        process.kill()
        process.wait(30)
