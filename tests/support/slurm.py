"""A real Slurm of one node, for as long as a test wants it: Debian's slurm-wlm and munge, their files in a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.process import free

SETTINGS = """\
ClusterName=one
SlurmctldHost={host}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
MpiDefault=none
ProctrackType=proctrack/linuxproc
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
SlurmUser=root
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
DAEMONS = ("munged", "slurmctld", "slurmd")


def missing() -> str:
    """Why no Slurm can be started here; empty where one can."""
    if lacks := [name for name in DAEMONS if not _program(name)]:
        return f"no {', '.join(lacks)} on this machine (Debian: slurm-wlm, munge)"
    return "" if os.geteuid() == 0 else "Slurm's daemons are started by root"


@contextmanager
def slurm(folder: Path) -> Iterator[Path]:
    """A cluster of this machine; yields its settings' file, for SLURM_CONF."""
    for name in ("spool", "state"):
        (folder / name).mkdir(parents=True)
    key, settings = folder / "key", folder / "slurm.conf"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    found = {"host": socket.gethostname(), "ports": (free(), free()), "folder": folder, "cpus": os.cpu_count()}
    settings.write_text(SETTINGS.format(**found), "utf-8")
    places = {"socket": "munge.socket", "log-file": "munge.log", "pid-file": "munge.pid", "seed-file": "seed"}
    munge = [f"--{name}={folder / file}" for name, file in places.items()]
    running = [
        subprocess.Popen([_program("munged"), "--foreground", "--force", f"--key-file={key}", *munge]),
        *(
            subprocess.Popen([_program(name), "-D", "-f", str(settings)], stderr=subprocess.DEVNULL)
            for name in DAEMONS[1:]
        ),
    ]
    environment = os.environ | {"SLURM_CONF": str(settings)}
    try:
        until = time.monotonic() + 60
        while b"idle" not in subprocess.run(["sinfo", "-h"], env=environment, capture_output=True, check=False).stdout:
            assert time.monotonic() < until, (folder / "slurmctld.log").read_text("utf-8")
            time.sleep(0.5)
        yield settings
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait()


def _program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
