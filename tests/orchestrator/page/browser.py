"""A headless Chromium, spoken to over a pair of pipes: pages are opened in it as a user would.

Messages are JSON, each ended by a zero byte; Chromium reads from its descriptor 3 and writes to 4. What a page says on
its console, and whatever it asks for, is kept.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

CHROMIUM = shutil.which("chromium")
LIMIT_S = 40.0
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


class Browser:
    """One page of a running Chromium; `complaints` and `requests` are those since it was opened last."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self._buffer = b""
        self._number = 0
        self._loaded = False
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, page: Path, *, width: int = 1280, height: int = 800) -> None:
        """Load a file and wait until the page says that it is drawn."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.complaints, self.requests, self._loaded = [], [], False
        self._call("Page.navigate", url=page.as_uri())
        self._until(lambda: self._loaded)
        assert self.value("document.documentElement.dataset.drawn ?? null") is not None, self.complaints

    def media(self, scheme: str = "light", kind: str = "") -> None:
        """Show the page in a colour scheme, and as on paper with `kind` ``print``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media=kind, features=features)

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression comes to, promises awaited."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, clip: dict[str, float] | None = None) -> bytes:
        """Return a PNG of the whole page, or of a part of it."""
        if clip is None:
            size = self._call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"]}
        options = {"captureBeyondViewport": True, "clip": clip | {"scale": 1}}
        return base64.b64decode(self._call("Page.captureScreenshot", format="png", **options)["data"])

    def pdf(self) -> bytes:
        """Return the page as it is printed."""
        options = {"printBackground": True, "preferCSSPageSize": True}
        return base64.b64decode(self._call("Page.printToPDF", **options)["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if method.partition(".")[0] != "Target":
            message["sessionId"] = self._session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        answers: list[dict[str, Any]] = []
        number = self._number

        def answered() -> bool:
            return bool(answers)

        self._until(answered, lambda found: answers.append(found) if found.get("id") == number else None)
        assert "error" not in answers[0], (method, answers[0]["error"])
        result: dict[str, Any] = answers[0]["result"]
        return result

    def _until(self, done: Any, look: Any = None) -> None:
        """Take messages until `done`; a browser that says nothing for too long fails the test."""
        deadline = time.monotonic() + LIMIT_S
        while not done():
            ready, _, _ = select.select([self._reader], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "Chromium does not answer"
            data = os.read(self._reader, 1 << 16)
            assert data, "Chromium has ended"
            *messages, self._buffer = (self._buffer + data).split(b"\0")
            for message in map(json.loads, messages):
                self._note(message)
                if look is not None:
                    look(message)

    def _note(self, message: dict[str, Any]) -> None:
        of = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.exceptionThrown":
                self.complaints.append(str(of["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.complaints.append(str(of["args"]))
            case "Log.entryAdded":
                self.complaints.append(of["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(of["request"]["url"])


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start Chromium with a fresh profile; leaving the block ends it with all its processes."""
    assert CHROMIUM is not None
    their_input, our_output = os.pipe()
    our_input, their_output = os.pipe()
    command = ["bash", "-c", f'exec "$@" 3<&{their_input} 4>&{their_output}', "chromium"]
    process = subprocess.Popen(
        [*command, CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(their_input, their_output),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"HOME": str(profile), "XDG_CONFIG_HOME": str(profile)},
    )
    os.close(their_input)
    os.close(their_output)
    try:
        yield Browser(our_input, our_output)
    finally:
        os.close(our_output)
        os.close(our_input)
        for pid in _at_home_in(profile):
            with suppress(ProcessLookupError):  # it may end by itself, as its parent has
                _end(pid)
        process.wait(LIMIT_S)


def _end(pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        ended, _, _ = select.select([descriptor], [], [], LIMIT_S)
        assert ended, "a process of Chromium does not end"
    finally:
        os.close(descriptor)


def _at_home_in(profile: Path) -> list[int]:
    """Return all processes of a Chromium, also those that it has put into sessions of their own."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # ended meanwhile, or not ours to look at
            if process.environ().get("HOME") == str(profile):
                found.append(process.pid)
    return found
