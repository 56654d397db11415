"""A real headless Chromium for tests, driven over a pair of pipes: nothing to install but the browser itself.

with Browser(path, folder) as browser:
    page = browser.open("http://127.0.0.1:4545/")
    page.wait("document.querySelectorAll('#rows tr').length > 0")
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The browser reads commands from descriptor 3 and writes to 4, whatever numbers the pipes have here.
_LAUNCH = (
    "import fcntl, os, sys; fds = [fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]]; "
    "os.dup2(fds[0], 3); os.dup2(fds[1], 4); os.execv(sys.argv[3], sys.argv[3:])"
)
PATIENCE = 15.0  # seconds


def find_chromium() -> str | None:
    """The browser's path: `$CHROMIUM`, else the usual names."""
    said = os.environ.get("CHROMIUM")
    return said or next(filter(None, map(shutil.which, _NAMES)), None)


_QUICK = """{
  const [wait, now] = [window.setTimeout, performance.now.bind(performance)];
  window.setTimeout = (call, after, ...more) => wait(call, after / 8, ...more);
  performance.now = () => 8 * now();
}"""
"""The page's own time runs eight times as fast: what it looks for every now and then, it finds sooner."""


class Browser:
    """One browser with a profile of its own in `folder`."""

    def __init__(self, path: str, folder: Path) -> None:
        self._command = [path, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        self._folder = folder
        self._numbers = itertools.count(1)
        self._buffer = b""
        self.events: list[dict[str, Any]] = []
        self._contexts: list[str] = []

    def __enter__(self) -> Self:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        launcher = [sys.executable, "-c", _LAUNCH, str(theirs_in), str(theirs_out), *self._command]
        with (self._folder / "browser.log").open("wb") as log:
            self._process = subprocess.Popen(
                launcher,
                pass_fds=(theirs_in, theirs_out),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(self._folder)},
                start_new_session=True,
            )
        os.close(theirs_in)
        os.close(theirs_out)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self.send("Browser.close")
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def send(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """One command and its result; events on the way are kept."""
        number = next(self._numbers)
        command: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        os.write(self._out, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            message = self._receive(end)
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])
            self.events.append(message)

    def _receive(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self._in, 1 << 16) if ready else b""
            assert data, "the browser does not answer"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(line))

    def open(self, url: str, *, width: int = 1280, height: int = 800, dark: bool = False) -> Page:
        """A new page of this size at `url`, with cookies and storage of its own."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        self._contexts.append(context)
        target = self.send("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.send("Emulation.setEmulatedMedia", features=[scheme])
        page.send("Page.addScriptToEvaluateOnNewDocument", source=_QUICK)
        page.send("Page.navigate", url=url)
        return page

    def close_pages(self) -> None:
        """End every page, and forget what happened in them."""
        while self._contexts:
            self.send("Target.disposeBrowserContext", browserContextId=self._contexts.pop())
        self.events.clear()


class Page:
    """One page; what it says and asks for is in the browser's events."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """A command to this page."""
        return self._browser.send(method, self._session, **params)

    def run(self, script: str) -> Any:
        """The value of an expression."""
        result = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, condition: str, seconds: float = PATIENCE) -> Any:
        """The value of an expression as soon as it is true."""
        end = time.monotonic() + seconds
        while True:
            # Until the page is there, asking for a part of it is an error.
            try:
                value = self.run(f"(() => {{ try {{ return {condition}; }} catch {{ return null; }} }})()")
            except AssertionError as error:
                if "Inspected target navigated" not in str(error):
                    raise
                value = None  # it was asked of the page before this one
            if value:
                return value
            assert time.monotonic() < end, f"never came true: {condition}\n{self.run('document.body?.innerText')}"
            time.sleep(0.03)

    def text(self, selector: str) -> str:
        """The text that a reader sees there."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def press(self, key: str) -> None:
        """A key, where the focus is."""
        text = {"Enter": "\r"}.get(key, "")
        code = {"Enter": 13, "Escape": 27, "Tab": 9}[key]
        for kind in ("keyDown", "keyUp"):
            said = {"text": text} if text and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **said)

    def asked_for(self) -> list[str]:
        """Every URL that this page asked for."""
        return [e["params"]["request"]["url"] for e in self._events("Network.requestWillBeSent")]

    def complaints(self) -> list[Any]:
        """Uncaught errors, errors and warnings in the console, dialogues."""
        kinds = (
            "Runtime.exceptionThrown",
            "Log.entryAdded",
            "Runtime.consoleAPICalled",
            "Page.javascriptDialogOpening",
        )
        return [e["params"] for kind in kinds for e in self._events(kind)]

    def _events(self, method: str) -> list[dict[str, Any]]:
        self.run("0")  # whatever is on its way comes before this answer
        return [e for e in self._browser.events if e.get("sessionId") == self._session and e.get("method") == method]
