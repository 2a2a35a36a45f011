"""Servers for the end-to-end tests."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.server import RunningServer

MakeServer = Callable[..., RunningServer]


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Make servers in homes of their own; each is stopped at the end."""
    servers: list[RunningServer] = []

    def make(name: str = "home", *, upstream: str = "moto", settings: Mapping[str, str] | None = None) -> RunningServer:
        server = RunningServer(tmp_path / name, upstream=upstream, settings=settings)
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()
