"""The gateway's contract is proved on both event loops: asyncio's own and the one that production uses."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop

_IN_PROCESS = {"test_relay.py", "test_faults.py", "test_durability.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    production: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if Path(item.path).name in _IN_PROCESS:
        return {"asyncio": asyncio.new_event_loop, **production}
    return production
