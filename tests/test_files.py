"""Files are written whole; a lock is one process' alone, and free again when that process is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import platformdirs
import pytest

from profiler.datasets import cached
from profiler.endpoints.local import demo
from profiler.endpoints.vllm.server import ServerPlan, log_file
from profiler.errors import StoreError
from profiler.files import cache_root, locked, whole_lines, write_whole
from selection.storage import RemoteStorage
from tests.support.places import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from profiler.files import locked
lock = locked(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""
PORTABLE = """
import builtins, importlib, os, pkgutil, signal, sys
OURS = ("inherit", "profiler", "selection", "training", "lm_eval_tasks")
POSIX = {"fcntl", "pwd", "grp", "termios", "tty", "pty", "resource", "posix", "syslog"}

def ours(name):
    return name.partition(".")[0] in OURS

def every():
    for root in OURS:
        for module in pkgutil.walk_packages(importlib.import_module(root).__path__, root + "."):
            try:
                if not module.name.endswith("__main__"):
                    yield importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if error.name in POSIX or ours(error.name):
                    raise  # anything else is an extra that is not installed here

list(every())  # what others made has been imported now, and is not imported again
for name in [*filter(ours, sys.modules)]:
    del sys.modules[name]
for module, names in ((os, ("getuid", "geteuid", "fork", "killpg", "getpgid", "setsid", "sysconf")),
                      (signal, ("SIGHUP", "SIGKILL", "SIGALRM", "setitimer", "pthread_sigmask"))):
    for name in names:
        delattr(module, name)
real = builtins.__import__

def guarded(name, globals=None, *rest):
    if name in POSIX and ours((globals or {}).get("__name__", "")):
        raise ModuleNotFoundError(f"no {name} on Windows", name=name)
    return real(name, globals, *rest)

builtins.__import__ = guarded
print(len(list(every())))
"""


def test_a_lock_is_one_holders_alone_until_it_is_released(tmp_path):
    lock = locked(tmp_path / "a" / ".lock")
    with pytest.raises(BlockingIOError):
        locked(tmp_path / "a" / ".lock")
    lock.release()
    locked(tmp_path / "a" / ".lock").release()


def test_a_killed_process_holds_no_lock(tmp_path):
    path = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError):
            locked(path)
        holder.kill()
    locked(path).release()


def test_a_lock_that_can_not_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder", "utf-8")
    with pytest.raises(StoreError, match="could not write"):
        locked(tmp_path / "file" / ".lock")


def test_a_torn_last_line_is_dropped(tmp_path):
    write_whole(tmp_path / "a" / "lines", b"one\ntwo\nthr")
    assert list(whole_lines(tmp_path / "a" / "lines")) == [b"one\n", b"two\n"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["lines"]


def test_every_module_is_imported_where_there_is_no_posix():
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", PORTABLE], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


def test_all_that_can_be_made_again_lies_under_one_root(tmp_path, monkeypatch):
    monkeypatch.setenv("INHERIT_CACHE", str(tmp_path / "mine"))
    assert cache_root() == tmp_path / "mine"
    monkeypatch.setattr(demo, "make", lambda home: home.mkdir(parents=True))
    found = [demo.checkpoint(), cached(), log_file(ServerPlan("m", "m")), RemoteStorage("memory://pool").journal]
    assert [path.relative_to(tmp_path / "mine").parts[0] for path in found] == ["demo", "data", "logs", "pools"]


@pytest.mark.parametrize("named", [None, ""])
def test_the_root_is_the_platforms_where_nobody_names_another(tmp_path, monkeypatch, named):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("INHERIT_CACHE", raising=False) if named is None else monkeypatch.setenv("INHERIT_CACHE", named)
    assert cache_root() == platformdirs.user_cache_path("inheritance-profiler", appauthor=False)
    if sys.platform == "linux":
        assert cache_root() == tmp_path / "inheritance-profiler"
