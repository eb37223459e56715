"""A server for a checkpoint: it answers, it is watched, it says why it fails, and nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from profiler.endpoints.vllm import installed
from profiler.endpoints.vllm import server as serving
from profiler.runs import sample_store
from tests.support.ask import HASTY
from tests.support.command import asked, inherit
from tests.support.process import free, running
from tests.support.serving import FakeVllm, installed_fake

INHERIT = Path(sys.executable).with_name("inherit")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVllm]:
    with installed_fake(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like a checkpoint; the fake opens nothing in it."""
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "config.json").write_text("{}", "utf-8")
    return folder


async def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    for _ in range(int(seconds / 0.05)):
        if true():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come to pass")


async def command(*words: str | Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(INHERIT, *map(str, words), stdout=pipe, stderr=pipe)


async def line(stream: asyncio.StreamReader | None) -> str:
    assert stream
    return (await asyncio.wait_for(stream.readline(), 20)).decode().strip()


async def test_serve_prints_its_address_once_it_answers_and_stops_with_all_its_processes(
    fake: FakeVllm, model: Path
) -> None:
    fake.told(waits=0.5)
    port = free()
    process = await command("serve", model, "--port", str(port), "--length", "512", "--", "--dtype", "float16")
    assert await line(process.stdout) == f"http://127.0.0.1:{port}/v1"
    assert len(fake.alive()) == 2
    (start,) = fake.starts()
    assert start["space"] == "2"
    told = " ".join(start["argv"])
    assert "--served-model-name student " in told
    assert "--max-model-len 512" in told
    assert told.endswith("--dtype float16")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 15) == 0
    assert not fake.alive()


async def test_a_server_whose_command_is_killed_does_not_outlive_it(fake: FakeVllm, model: Path) -> None:
    process = await command("serve", model, "--port", str(free()))
    await line(process.stdout)
    process.kill()
    await process.wait()
    await until(lambda: not fake.alive())


def test_serving_asks_vllm_for_what_profiling_needs() -> None:
    for cpu in (False, True):
        told = " ".join(serving.command(installed.VllmBuild("python", "0.32", cpu), serving.ServerPlan("m", "m"), 1))
        assert "--generation-config vllm" in told
        assert "--max-logprobs 100" in told
        assert "--enable-prefix-caching" in told
        assert ("--no-enable-chunked-prefill" in told) == cpu


@pytest.mark.parametrize(("cores", "kept"), [(2, "0"), (64, None)])
def test_few_cores_all_compute_and_what_the_user_set_stays(
    cores: int, kept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    monkeypatch.delenv("VLLM_CPU_NUM_OF_RESERVED_CPU", raising=False)
    set_for = serving.environment(
        installed.VllmBuild("python", "0.32.0", cpu=True), serving.ServerPlan("org/name", "name")
    )
    assert set_for.get("VLLM_CPU_NUM_OF_RESERVED_CPU") == kept
    assert set_for["THP_MEM_ALLOC_ENABLE"] == "1"
    assert set_for["VLLM_CPU_KVCACHE_SPACE"] == "7"
    on_gpu = serving.environment(
        installed.VllmBuild("python", "0.32.0", cpu=False), serving.ServerPlan("org/name", "name")
    )
    assert "THP_MEM_ALLOC_ENABLE" not in on_gpu


def test_adapters_are_served_by_name_with_room_for_the_largest(tmp_path: Path) -> None:
    for name, rank in (("terse", 4), ("kind", 20)):
        (tmp_path / name).mkdir()
        settings = {"r": rank, "target_modules": ["up_proj", f"model.layers.{rank}.mlp.down_proj"]}
        (tmp_path / name / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    found = serving.adapters([f"terse={tmp_path / 'terse'}", f"kind={tmp_path / 'kind'}"])
    told = " ".join(
        serving.command(installed.VllmBuild("python", "0.32", False), serving.ServerPlan("m", "m", adapters=found), 1)
    )
    assert f"--lora-modules terse={tmp_path / 'terse'} kind={tmp_path / 'kind'}" in told
    assert "--max-loras 2 --max-lora-rank 32 --lora-target-modules down_proj up_proj --lora-modules " in told


async def test_an_adapter_is_not_served_as_if_it_were_a_model(fake: FakeVllm, tmp_path: Path) -> None:
    adapter = tmp_path / "terse"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base", "r": 8}), "utf-8")
    done = await inherit("serve", adapter)
    assert done.code == 2
    assert f"inherit serve org/base --adapter terse={adapter}" in done.err
    assert not fake.starts()


async def test_a_taken_port_is_said_before_anything_starts(fake: FakeVllm, model: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = await inherit("serve", model, "--port", port)
    assert done.code == 1
    assert f"port {port} is taken" in done.err
    assert "--port" in done.err
    assert not fake.starts()


async def test_two_servers_started_at_once_have_a_port_each(fake: FakeVllm, model: Path) -> None:
    fake.told(waits=1.0)
    both = await asyncio.gather(command("serve", model), command("serve", model))
    addresses = await asyncio.gather(*(line(process.stdout) for process in both))
    assert len(set(addresses)) == 2
    for process in both:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_without_vllm_it_says_how_to_get_it(fake: FakeVllm, model: Path) -> None:
    fake.told(package=None)
    done = await inherit("serve", model)
    assert done.code == 1
    assert "pip install vllm" in done.err
    assert "INHERIT_VLLM_PYTHON" in done.err


async def test_a_gpu_build_is_not_started_where_there_is_no_gpu(
    fake: FakeVllm, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.told(package="vllm")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = await inherit("serve", model)
    assert done.code == 1
    assert "made for GPUs" in done.err
    assert not fake.starts()


async def test_an_interpreter_that_is_none_is_named(model: Path) -> None:
    done = await inherit("serve", model, "--python", "/nowhere/python")
    assert done.code == 2
    assert "'/nowhere/python'" in done.err


async def test_a_server_that_cannot_start_says_its_real_cause_and_where_the_log_is(fake: FakeVllm, model: Path) -> None:
    fake.told(says="ValueError: Model architectures ['OddForCausalLM'] are not supported for now.", exit=1)
    log = model.parent / "server.log"
    done = await inherit("serve", model, "--log", log)
    assert done.code == 1
    assert "'OddForCausalLM'" in done.err
    assert str(log) in done.err
    assert "OddForCausalLM" in log.read_text("utf-8")


LOGS = {
    "(EngineCore pid=12) ERROR 11-21 12:00:00 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried": "memory",
    "OSError: [Errno 98] Address already in use": "--port",
    "ValueError: To serve at least one request with the model's max seq len (131072), (16.0 GiB KV cache is needed, "
    "which is larger than the available KV cache memory (3.0 GiB). Based on the available memory, the estimated "
    "maximum model length is 24576. Try": "--length 24576",
    "OSError: nope is not a local folder and is not a valid model identifier listed on": "no such model",
    "api_server.py: error: unrecognized arguments: --nope 3": "no option --nope 3",
    "(APIServer pid=1) KeyError: 'layers.0'\n(APIServer pid=1) RuntimeError: Engine core initialization failed. See "
    "root cause above.": "KeyError: 'layers.0'",
    "(EngineCore pid=1) INFO 11-30 02:13:33 [core.py:133] Initializing a V1 LLM engine with config: model='m', "
    "trust_remote_code=False, load_format=auto\n(Worker pid=2) ERROR 11-30 02:13:41 [multiproc_executor.py:953] "
    "NotImplementedError: No Unquantized MoE backend supports the deployment configuration.": "No Unquantized MoE",
    "ValueError: The repository m contains custom code which must be executed to correctly load the model. Please pass "
    "the argument `trust_remote_code=True` to allow custom code to be run.": "-- --trust-remote-code",
}


@pytest.mark.parametrize(("log", "said"), LOGS.items())
def test_the_log_of_a_failure_is_read_for_its_cause(log: str, said: str) -> None:
    assert said in installed.cause(f"INFO starting\n{log}\nINFO over", 1)


def test_a_server_that_was_killed_is_told_from_one_that_failed() -> None:
    assert "memory" in installed.cause("INFO loading", -9)
    assert installed.cause("INFO loading", 3) == "it ended with 3"


async def test_a_server_whose_engine_is_dead_is_started_again(fake: FakeVllm, model: Path) -> None:
    fake.told(dies=0.3, says="RuntimeError: the engine fell over", falls=1, hangs=True)
    process = await command("serve", model)
    await line(process.stdout)
    said = ""
    while "died" not in said:
        said = await line(process.stderr)
    assert "the engine fell over" in said
    await until(lambda: len(fake.starts()) == 2)
    await until(lambda: len(fake.alive()) == 2)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 15) == 0


INTERRUPTED = """
import pathlib, signal, subprocess, sys
from profiler.endpoints.vllm import installed, server as serving

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
start, started = subprocess.Popen, []

def interrupted(*args, **kwargs):
    started.append(start(*args, **kwargs))
    if len(started) == 1:
        signal.raise_signal(signal.SIGINT)
    return started[-1]

model = pathlib.Path(sys.argv[1])
build = installed.needed()
subprocess.Popen = interrupted
try:
    with serving.Server(serving.ServerPlan(str(model), "m"), build, model / "log"):
        print("it was not interrupted")
except KeyboardInterrupt:
    print(started[0].pid)
"""


def test_an_interrupt_in_the_moment_of_starting_leaves_nothing_behind(fake: FakeVllm, model: Path) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, model], capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    left = running(pid)
    if left:
        os.kill(pid, signal.SIGKILL)
    assert not left


class Interrupted:
    """Starts work, late, in a thread that nobody waits for: where a signal comes while the thread is made."""

    LATE = 0.0

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> Interrupted:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., None], *given: object) -> None:
        threading.Timer(self.LATE, work, given).start()
        time.sleep(0.2)
        raise KeyboardInterrupt


@pytest.mark.parametrize("late", [0.0, 0.5])
def test_an_interrupt_while_the_thread_is_made_that_starts_a_server_leaves_nothing_behind(
    late: float, fake: FakeVllm, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Interrupted, "LATE", late)
    monkeypatch.setattr(serving, "ThreadPoolExecutor", Interrupted)
    server = serving.Server(serving.ServerPlan(str(model), "m"), installed.needed(), model / "log")
    with pytest.raises(KeyboardInterrupt), server:
        pass
    time.sleep(1)
    assert not fake.alive()


async def test_a_server_that_keeps_dying_is_given_up(
    fake: FakeVllm, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "LOOK", 0.1)
    monkeypatch.setattr(serving, "RESTARTS", 1)
    fake.told(dies=0.6, says="RuntimeError: the engine fell over", exit=1)
    server = serving.Server(serving.ServerPlan(str(model), "m"), installed.needed(), model / "log")
    with pytest.raises(serving.ServerFailed, match="the engine fell over"), server:
        await asyncio.to_thread(server.keep)
    assert len(fake.starts()) == 2


async def test_profile_serves_a_checkpoint_for_itself(fake: FakeVllm, model: Path) -> None:
    questions = asked(model.parent)
    done = await inherit("profile", model, "--engine", "vllm", "--prompts", questions, "--max-tokens", 8)
    assert done.code == 0
    profile = sample_store.load("latest", Path("runs")).profile
    assert profile.endpoint.engine == "vllm"
    assert profile.endpoint.url is None
    assert not profile.errors
    assert not fake.alive()


@pytest.mark.parametrize("lingers", [0, 2])
async def test_a_server_that_dies_under_a_profile_is_started_again_and_the_profile_is_whole(
    lingers: float, fake: FakeVllm, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = {"latency": 0.1}
    fake.told(dies=0, asked=20, says="RuntimeError: the engine fell over", falls=1, lingers=lingers, script=script)
    monkeypatch.setattr("profiler.endpoints.openai.engine.RetryLimits", lambda: HASTY)
    questions = asked(model.parent, 80)
    words = ("profile", model, "--engine", "vllm", "--prompts", questions, "--max-tokens", 8, "--concurrency", 4)
    done = await inherit(*words)
    assert done.code == 0, done.err
    assert "the engine fell over" in done.err
    profile = sample_store.load("latest", Path("runs")).profile
    assert profile.sections[0].items == 80
    assert not profile.errors
    assert len(fake.starts()) == 2


async def test_a_server_of_the_users_and_one_of_ours_exclude_each_other(model: Path) -> None:
    done = await inherit("profile", model, "--engine", "vllm", "--url", "http://127.0.0.1:1/v1")
    assert done.code == 2
    assert "--engine" in done.err
