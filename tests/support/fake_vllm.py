"""A stand-in for the interpreter of an environment with vLLM: what is faked is a process, not our functions.

FAKE_VLLM tells it what to do, as JSON: the `package` that it has and a `script` for the wire; what it `says` in its log
and its `exit` code, at once or once it `dies` (seconds after it was found well and was `asked` so many questions), for
as many starts as it `falls`; whether its engine only `hangs` then, or for how long it `lingers` and answers nobody. As
vLLM has its engine, it has a child; FAKE_VLLM_STARTS lists what was started.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


async def serve(told: dict[str, Any], starts: int) -> None:
    from aiohttp import web

    from tests.support import wire

    loads = "--enable-lora" in sys.argv and os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") == "True"
    script = {"model": option("--served-model-name"), "adapters": loads, **told["script"]}
    state = wire.Wire(wire.told(json.dumps(script)))
    app = wire.application(state)
    well, dead = asyncio.Event(), asyncio.Event()

    async def health(_: web.Request) -> web.Response:
        well.set()
        return web.Response(status=503 if dead.is_set() else 200)

    app.router.add_get("/health", health)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, option("--host"), int(option("--port"))).start()
    if "dies" in told and starts <= told.get("falls", 100):
        await well.wait()
        while len(state.asked("question ")) < told.get("asked", 0):
            await asyncio.sleep(0.01)
        await asyncio.sleep(told["dies"])
        print(told["says"], flush=True)
        if not told.get("hangs"):
            await runner.cleanup()
            await asyncio.sleep(told.get("lingers", 0))
            os._exit(told["exit"])
        dead.set()
    await asyncio.Event().wait()


def main() -> None:
    told = {"script": {}, "exit": 1, "says": "", **json.loads(os.environ["FAKE_VLLM"])}
    if sys.argv[1] == "-c":
        print(json.dumps({told["package"]: "0.32.0"} if told.get("package") else {}))
        return
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    book = Path(os.environ["FAKE_VLLM_STARTS"])
    start = {"pids": [os.getpid(), child.pid], "argv": sys.argv[1:], "space": os.environ.get("VLLM_CPU_KVCACHE_SPACE")}
    with book.open("a", encoding="utf-8") as out:
        out.write(json.dumps(start) + "\n")
    if "dies" not in told and told["says"]:
        print(told["says"], flush=True)
        sys.exit(told["exit"])
    time.sleep(told.get("waits", 0))
    asyncio.run(serve(told, len(book.read_text("utf-8").splitlines())))


if __name__ == "__main__":
    main()
