"""moto's server as a real S3 endpoint, one process for a test session."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import IO

_STARTED = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")
_PATIENCE_S = 60


@contextmanager
def moto_server(port: int = 0, module: str = "moto.server") -> Iterator[str]:
    """Start moto on a port of the loopback interface, a free one by default, yield its URL, stop it.

    ``module`` is what Python runs: moto itself, or one of this package that adds to it.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", module, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stderr is not None
    try:
        url = _read_url(process)
        # It writes a line for each request, and waits for ever once the pipe is full.
        os.set_blocking(process.stderr.fileno(), True)
        Thread(target=_drain, args=(process.stderr,), daemon=True).start()
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _drain(pipe: IO[bytes]) -> None:
    with pipe:
        while pipe.read(65536):
            pass


def _read_url(process: "subprocess.Popen[bytes]") -> str:
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    deadline = time.monotonic() + _PATIENCE_S
    seen = b""
    while time.monotonic() < deadline and process.poll() is None:
        select.select([process.stderr], [], [], 1)
        seen += process.stderr.read() or b""
        found = _STARTED.search(seen.decode(errors="replace"))
        if found:
            return found[1]
    raise AssertionError(f"moto did not start: {seen.decode(errors='replace')[-2000:]}")
