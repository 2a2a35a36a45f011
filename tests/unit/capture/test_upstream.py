"""The pool of upstream connections: what the operator hears when none can be made."""

import socket

import pytest
from structlog.testing import capture_logs

from opentrail.capture.upstream import UpstreamPool, UpstreamUnreachable


def a_closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def test_an_upstream_that_cannot_be_reached_is_named_once_a_second_however_many_calls_find_out() -> None:
    port = a_closed_port()
    pool = UpstreamPool(f"http://user:secret@127.0.0.1:{port}/path", connect_s=5)

    with capture_logs() as logs:
        for _ in range(20):
            with pytest.raises(UpstreamUnreachable):
                await pool.acquire()

    assert [(entry["log_level"], entry["upstream"], entry["calls"]) for entry in logs] == [
        ("warning", f"127.0.0.1:{port}", 1)
    ]
    assert "secret" not in str(logs)


async def test_the_next_warning_counts_the_calls_since_the_last() -> None:
    pool = UpstreamPool("", connect_s=5)

    with capture_logs() as logs:
        for _ in range(20):
            with pytest.raises(UpstreamUnreachable, match="no upstream is set"):
                await pool.acquire()
        pool._next_warning_at = 0.0
        with pytest.raises(UpstreamUnreachable):
            await pool.acquire()

    assert [entry["calls"] for entry in logs] == [1, 20]
