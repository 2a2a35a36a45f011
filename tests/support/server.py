"""A whole Opentrail in a process of its own, as users start it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from opentrail.cli.execution import client_environment, read_key
from opentrail.home import Home
from tests.support.clients import require_aws_cli

READY_SECONDS = 60
STOP_SECONDS = 30
OPENTRAIL = (sys.executable, "-m", "opentrail")


class RunningServer:
    """``opentrail serve`` on free loopback ports; started and stopped, or killed, as often as a test likes."""

    def __init__(self, home: Path, *, upstream: str = "moto", settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        self._upstream = upstream
        self._environment = {
            **os.environ,
            "OPENTRAIL_LOG_FILE_INTERVAL": "1s",
            "OPENTRAIL_DIGEST_INTERVAL": "2s",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    @property
    def log(self) -> Path:
        return self.home.with_name(self.home.name + ".log")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> "RunningServer":
        """Start and wait until everything answers."""
        ready_file = self.home.with_name(self.home.name + ".ready.json")
        ready_file.unlink(missing_ok=True)
        command = [
            *OPENTRAIL,
            "serve",
            "--home",
            str(self.home),
            "--gateway",
            "127.0.0.1:0",
            "--api",
            "127.0.0.1:0",
            "--upstream",
            self._upstream,
            "--ready-file",
            str(ready_file),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        wait_until(lambda: ready_file.exists() or self._process_ended(), "the server to be ready", READY_SECONDS)
        assert ready_file.exists(), f"the server ended: {self.log.read_text()[-4000:]}"
        self.ready = orjson.loads(ready_file.read_bytes())
        return self

    def _process_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> int:
        """Drain with SIGTERM; return the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=STOP_SECONDS)
        self._process = None
        return code

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=STOP_SECONDS)
        self._process = None

    def close(self) -> None:
        """Stop it if it still runs."""
        if self._process is not None:
            self.stop()

    def opentrail(
        self, *arguments: str, input_text: str | None = None, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run an ``opentrail`` command on this home."""
        command = [*OPENTRAIL, "--home", str(self.home), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, input=input_text, env=self._environment
        )

    def aws(self, *arguments: str, as_user: str = "") -> subprocess.CompletedProcess[str]:
        """Run the real AWS CLI with what ``opentrail exec`` sets for it, sparing half a second of another command."""
        environment = client_environment(self.ready, read_key(Home(self.home), as_user), self._environment)
        command = [require_aws_cli(), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)

    def owner_key(self) -> dict[str, str]:
        """Return the owner's key pair as the home keeps it."""
        key: dict[str, str] = orjson.loads((self.home / "owner-key.json").read_bytes())
        return key


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for a condition of another process, at most ``seconds``; fail naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)
