"""A real browser, where the machine has one."""

import asyncio
import base64
import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import aiohttp
import pytest

QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")
PATIENCE = 120


def chromium():
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no chromium on this machine")
    return found


def opened(page, folder, *flags):
    """What a real browser makes of a page: its document, and what its console said."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    done = subprocess.run(
        [chromium(), *options, f"--user-data-dir={folder / 'user'}", *flags, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def axe():
    """The source of axe-core, which `make test-slow` fetches."""
    found = list(Path(os.environ.get("INHERIT_AXE", "none")).glob("**/axe.min.js"))
    if not found:
        pytest.skip("no axe-core: `make test-slow` fetches it")
    return found[0].read_text()


class Tab:
    """A page in a browser, steered through its DevTools protocol."""

    def __init__(self, socket):
        self._socket, self._last, self._loads = socket, 0, 0
        self.console = []
        """What the console said, and what was thrown."""
        self.asked = []
        """The addresses that it asked for."""
        self.dialogs = []
        """What an alert of the page said."""

    async def ask(self, method, **given):
        self._last += 1
        await self._socket.send_json({"id": self._last, "method": method, "params": given})
        while True:
            told = await self._told()
            if told.get("id") == self._last:
                assert "error" not in told, told
                return told["result"]

    async def _told(self):
        told = await self._socket.receive_json(timeout=PATIENCE)
        match told.get("method"):
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.console.append(told["params"])
            case "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])
            case "Page.loadEventFired":
                self._loads += 1
            case "Page.javascriptDialogOpening":
                self.dialogs.append(told["params"]["message"])
                # Its answer is read with whatever comes next; until it is closed the page stands still.
                await self._socket.send_json(
                    {"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
                )
        return told

    async def open(self, address):
        """Go to an address, and wait until all of it is there."""
        before = self._loads
        await self.ask("Page.navigate", url=address)
        while self._loads == before:
            await self._told()

    async def until(self, script, patience=PATIENCE):
        """Wait until an expression holds on the page, whichever it is by then."""
        async with asyncio.timeout(patience):
            while True:
                # An evaluation that a navigation interrupts is an error of the protocol.
                with contextlib.suppress(AssertionError):
                    if await self.run(f"document.readyState === 'complete' && Boolean({script})"):
                        return
                await asyncio.sleep(0.05)

    async def run(self, script):
        """The value of an expression on the page, which its policy does not bind."""
        done = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    async def look(self, width=1200, dark=False, media=""):
        """Be a screen so wide, in the dark, or paper."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await self.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", media=media, features=[scheme])

    async def press(self, key, code=0, text=""):
        for kind in ("keyDown", "keyUp"):
            said = {"text": text} if text and kind == "keyDown" else {}
            await self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **said)

    async def shot(self, path, whole=True):
        """A picture of the page, as much of it as one can have."""
        size = "({x: 0, y: 0, width: innerWidth, height: Math.min(document.body.scrollHeight, 16000), scale: 1})"
        part = {"clip": await self.run(size)} if whole else {}
        taken = await self.ask("Page.captureScreenshot", captureBeyondViewport=whole, **part)
        path.write_bytes(base64.b64decode(taken["data"]))


@contextlib.asynccontextmanager
async def tab(folder):
    """A browser's tab, as long as it is needed."""
    process = await asyncio.create_subprocess_exec(
        chromium(),
        *QUIET,
        "--remote-debugging-port=0",
        f"--user-data-dir={folder / 'user'}",
        "about:blank",
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(rb"ws://([^/]+)/", await process.stderr.readline())):
                assert process.returncode is None, "the browser ended"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{found[1].decode()}/json/list") as reply:
                pages = [page for page in await reply.json() if page["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Tab(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.ask(f"{domain}.enable")
                await page.look()
                yield page
    finally:
        process.terminate()
        await process.wait()
