"""Commands reach the server over its socket, and nothing they send can hurt it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from opentrail.admin import control
from opentrail.errors import OperatorError


async def echo(**arguments: Any) -> dict[str, Any]:
    return arguments


async def refuse() -> dict[str, Any]:
    raise OperatorError("there is no user bob")


async def fail() -> dict[str, Any]:
    raise RuntimeError("a secret detail")


async def serving(path: Path) -> control.ControlServer:
    server = control.ControlServer(path, {"echo": echo, "refuse": refuse, "fail": fail})
    await server.start()
    return server


async def test_a_command_is_answered_and_an_operators_error_comes_back_as_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    server = await serving(path)

    assert await control.call(path, "echo", {"name": "bob"}) == {"name": "bob"}
    with pytest.raises(OperatorError, match="there is no user bob"):
        await control.call(path, "refuse", {})

    await server.stop()


async def test_a_failure_inside_does_not_leak_its_details(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    server = await serving(path)

    with pytest.raises(OperatorError, match="the server's log says why") as raised:
        await control.call(path, "fail", {})

    assert "secret detail" not in str(raised.value)
    await server.stop()


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[1]\n", b'{"command":"none","arguments":{}}\n', b"\xff\xfe\n"])
async def test_garbage_is_answered_and_the_server_goes_on(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "control.sock"
    server = await serving(path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)

    assert b'"error"' in await reader.readline()

    writer.close()
    assert await control.call(path, "echo", {}) == {}
    await server.stop()


async def test_only_its_owner_may_open_the_socket_and_it_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    server = await serving(path)

    assert path.stat().st_mode & 0o777 == 0o600

    await server.stop()
    assert not path.exists()
    with pytest.raises(OperatorError, match="does not answer"):
        await control.call(path, "echo", {})


async def test_a_home_with_a_very_long_path_has_a_socket_too(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    server = await serving(folder / "control.sock")

    assert await control.call(folder / "control.sock", "echo", {"a": 1}) == {"a": 1}

    await server.stop()
