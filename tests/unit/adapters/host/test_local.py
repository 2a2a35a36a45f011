"""The machine's own disk, and what time an endpoint says it is."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from opentrail.adapters.host.local import LocalHost
from opentrail.ports import Unavailable


class _Handler(BaseHTTPRequestHandler):
    date: str | None = None

    def do_HEAD(self) -> None:
        self.send_response_only(405)
        if self.path != "/timeless":
            self.send_header("Date", self.date or self.date_time_string())
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep test output quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


async def test_the_disk_under_the_home_is_looked_at(tmp_path: Path) -> None:
    disk = await LocalHost(tmp_path).disk()

    assert 0 < disk.free_bytes <= disk.total_bytes
    assert disk.free_inodes <= disk.total_inodes


async def test_a_home_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="gone"):
        await LocalHost(tmp_path / "gone").disk()


async def test_any_answer_tells_the_time(url: str, tmp_path: Path) -> None:
    moment = await LocalHost(tmp_path).peer_time(url)

    assert moment is not None
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


@pytest.mark.parametrize("date", ["yesterday", "Fri, 99 Nov 2026 12:00:00 GMT"])
async def test_a_date_that_is_none_tells_no_time(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, date: str
) -> None:
    monkeypatch.setattr(_Handler, "date", date)

    assert await LocalHost(tmp_path).peer_time(url) is None
    assert await LocalHost(tmp_path).peer_time(url + "/timeless") is None


async def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await LocalHost(tmp_path).peer_time("http://127.0.0.1:9")
