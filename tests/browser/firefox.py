"""A real Firefox without a screen, driven by its own Marionette protocol (JSON over TCP; firefox-source-docs.mozilla.org).

Marionette needs no driver program, and reaches the browser's own windows too: a notification is one of them.
"""

import json
import os
import shutil
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess, require

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id (W3C WebDriver, 12)
QUIET: Mapping[str, object] = {  # no request leaves the machine
    "remote.prefs.recommended": False,  # they switch push off
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#none/v1",
    "toolkit.telemetry.server": "",
}


class Refused(Exception):
    """The browser's answer to a command is an error."""


class Firefox:
    """`settings` are about:config's."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        profile = folder / "profile"
        profile.mkdir()
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});"
            for name, value in {**QUIET, **settings, "marionette.port": 0}.items()
        ]
        (profile / "user.js").write_text("\n".join(lines))
        options = [
            "--headless",
            "--marionette",
            "--remote-allow-system-access",
            "--profile",
            str(profile),
            "about:blank",
        ]
        self._process = ServerProcess([program(), *options], folder / "firefox.log", {"HOME": str(folder)})
        self._port_file = profile / "MarionetteActivePort"
        self._count = 0

    def connect(self) -> None:
        wait_until(lambda: bool(self._port()), 120, "Firefox")
        self._socket = socket.create_connection(("127.0.0.1", int(self._port())), timeout=60)
        self._stream = self._socket.makefile("rb")
        self._read()  # its greeting
        self("WebDriver:NewSession")

    def close(self) -> None:
        if hasattr(self, "_socket"):
            self._stream.close()
            self._socket.close()
        self._process.stop(how=signal.SIGKILL)  # its profile is not used again

    def __call__(self, command: str, **parameters: object) -> Any:
        """The result of one command. Raises Refused."""
        self._count += 1
        message = json.dumps([0, self._count, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        if error is not None:
            raise Refused(f"{command}: {error['error']}: {error['message']}")
        return result["value"] if isinstance(result, dict) and result.keys() == {"value"} else result

    def open(self, address: str) -> None:
        self("WebDriver:Navigate", url=address)

    def text(self, selector: str) -> str:
        return str(self("WebDriver:GetElementText", id=self._element(selector)))

    def count(self, selector: str) -> int:
        return len(self("WebDriver:FindElements", using="css selector", value=selector))

    def click(self, selector: str) -> None:
        self("WebDriver:ElementClick", id=self._element(selector))

    def property(self, selector: str, name: str) -> Any:
        return self("WebDriver:GetElementProperty", id=self._element(selector), name=name)

    def enter(self, selector: str) -> None:
        """Into a frame; `WebDriver:SwitchToParentFrame` leads out."""
        self("WebDriver:SwitchToFrame", element=self._element(selector))

    def fill(self, selector: str, text: str) -> None:
        self("WebDriver:ElementClear", id=self._element(selector))
        self("WebDriver:ElementSendKeys", id=self._element(selector), text=text)

    def wait_for_text(self, selector: str, text: str, seconds: float = 60) -> str:
        """The element's text, once it contains `text`."""
        seen = [""]

        def is_there() -> bool:
            seen[0] = self.text(selector)
            return text in seen[0]

        try:
            wait_until(is_there, seconds, f"{text!r} in {selector}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it says: {seen[0]!r}") from None
        return seen[0]

    def inside(self, script: str, *arguments: object) -> Any:
        """The value of a script that runs as a part of the browser itself."""
        self("Marionette:SetContext", value="chrome")
        try:
            return self("WebDriver:ExecuteScript", script=script, args=list(arguments))
        finally:
            self("Marionette:SetContext", value="content")

    def _element(self, selector: str) -> str:
        return str(self("WebDriver:FindElement", using="css selector", value=selector)[ELEMENT])

    def _port(self) -> str:
        return self._port_file.read_text() if self._port_file.exists() else ""

    def _read(self) -> Any:
        length = b""
        while (byte := self._stream.read(1)) != b":":
            assert byte, "Firefox has ended; see firefox.log"
            length += byte
        return json.loads(self._stream.read(int(length)))


def program() -> str:
    """In CI it is installed when it is missing; at a desk without it the test is skipped."""
    # Ubuntu's `firefox` is a snap, which may not read a test's folder.
    if (found := shutil.which("firefox")) and not Path("/snap/bin/firefox").exists():
        return found
    try:
        return require("firefox-esr", "firefox-esr")
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
