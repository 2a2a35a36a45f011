"""Commands as real processes: what they get and see, how their ends are judged, and that none outlives its time."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop

from opentrail.adapters.targets import command as module
from opentrail.adapters.targets.command import KEPT_OUTPUT_BYTES, Command, CommandTarget
from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch

ARN = "arn:aws:opentrail:us-east-1:123456789012:target/react"
LOOPS = {"asyncio": asyncio.run, "uvloop": uvloop.run}
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=sorted(LOOPS))
def run(request: pytest.FixtureRequest) -> Run:
    """Run on either event loop: the server's is uvloop's."""
    return LOOPS[request.param]


def a_dispatch(text: str = '{"n":1}') -> Dispatch:
    return Dispatch("id-1", ARN, text, b"{}", {})


def a_command(*words: str, seconds: float = 20, at_once: int = 4) -> CommandTarget:
    return CommandTarget(Command("react", words, seconds, at_once))


def a_script(folder: Path, *lines: str) -> str:
    path = folder / "react"
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return str(path)


def send(run: Run, target: CommandTarget, dispatch: Dispatch | None = None) -> None:
    async def sending() -> None:
        await target.send(dispatch or a_dispatch())

    run(sending())


def test_the_text_is_on_standard_input_and_arguments_are_no_shells(run: Run, tmp_path: Path) -> None:
    script = a_script(tmp_path, 'printf "%s" "$2" > "$1.word"', 'cat > "$1"')
    text = '{"name":"$(touch /tmp/x); `id` \' \\" grüße"}' + "x" * 300_000

    send(run, a_command(script, str(tmp_path / "got"), "$(id) ; *"), a_dispatch(text))

    assert (tmp_path / "got").read_text() == text
    assert (tmp_path / "got.word").read_text() == "$(id) ; *"


def test_the_environment_and_the_open_files_are_not_the_servers(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENTRAIL_MAIL_PASSWORD", "hush")
    script = a_script(tmp_path, 'env > "$1"', 'ls /proc/self/fd >> "$1.open"', 'pwd >> "$1"')
    with (tmp_path / "secret").open("w") as kept:
        os.set_inheritable(kept.fileno(), True)

        send(run, a_command(script, str(tmp_path / "seen")))

    seen = (tmp_path / "seen").read_text().splitlines()
    assert {line.partition("=")[0] for line in seen if "=" in line} - {"PWD", "OLDPWD", "SHLVL", "_"} == {
        *("LANG", "PATH", "OPENTRAIL_INVOCATION_ID", "OPENTRAIL_TARGET")
    }
    assert f"OPENTRAIL_TARGET={ARN}" in seen
    assert "OPENTRAIL_INVOCATION_ID=id-1" in seen
    assert seen[-1] == "/"
    assert str(kept.fileno() if not kept.closed else "") not in (tmp_path / "seen.open").read_text().split()


@pytest.mark.parametrize(
    ("line", "said"),
    [("exit 3", "exit status 3"), ("kill -9 $$", "signal 9")],
)
def test_any_end_but_status_0_is_worth_trying_again(run: Run, tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(Unavailable, match=said):
        send(run, a_command(a_script(tmp_path, line)))


def test_a_program_that_is_not_there_is_worth_trying_again(run: Run) -> None:
    with pytest.raises(Unavailable, match="cannot be started"):
        send(run, a_command("/nowhere/react"))


def test_a_command_need_not_read_what_it_gets(run: Run, tmp_path: Path) -> None:
    send(run, a_command(a_script(tmp_path, "exec 0<&-", "exit 0")), a_dispatch("x" * 1_000_000))


def test_what_takes_too_long_is_ended_with_all_that_it_started(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.1)
    lines = ("trap '' TERM", "sleep 600 &", 'echo $! > "$1"', "while :; do sleep 600; done")
    script = a_script(tmp_path, *lines)

    with pytest.raises(Unavailable, match="ran longer than"):
        send(run, a_command(script, str(tmp_path / "child"), seconds=2))

    assert is_gone(int((tmp_path / "child").read_text()))


def test_what_no_signal_reaches_is_not_waited_for(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.1)

    def refuse(group: int, number: int) -> None:
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(os, "killpg", refuse)
        with pytest.raises(Unavailable, match="ran longer than"):
            send(run, a_command(a_script(tmp_path, 'echo $$ > "$1"', "sleep 600"), str(tmp_path / "pid"), seconds=2))
    os.killpg(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_what_a_command_leaves_behind_with_its_output_open_is_ended(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.1)

    send(run, a_command(a_script(tmp_path, "sleep 600 &", 'echo $! > "$1"'), str(tmp_path / "child")))

    assert is_gone(int((tmp_path / "child").read_text()))


def is_gone(process: int) -> bool:
    """Say whether a process ends within ten seconds; one that nobody waited for counts as ended."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        os.sched_yield()
        asyncio.run(asyncio.sleep(0.05))
    return False


def test_a_command_under_way_is_ended_when_it_is_waited_for_no_more(run: Run, tmp_path: Path) -> None:
    target = a_command(a_script(tmp_path, 'echo $$ > "$1.new"', 'mv "$1.new" "$1"', "sleep 600"), str(tmp_path / "pid"))

    async def cancelling() -> None:
        sending = asyncio.create_task(target.send(a_dispatch()))
        while not (tmp_path / "pid").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    run(cancelling())

    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_command_whose_start_is_waited_for_no_more_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = a_command(a_script(tmp_path, 'echo $$ > "$1.new"', 'mv "$1.new" "$1"', "sleep 600"), str(tmp_path / "pid"))
    start = asyncio.create_subprocess_exec

    async def cancelling() -> None:
        may_start = asyncio.Event()

        async def slowly(*words: str, **more: Any) -> asyncio.subprocess.Process:
            process = await start(*words, **more)
            await may_start.wait()
            return process

        monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
        sending = asyncio.create_task(target.send(a_dispatch()))
        while not (tmp_path / "pid").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
        sending.cancel()
        await asyncio.sleep(0)
        may_start.set()
        await asyncio.gather(sending, return_exceptions=True)

    run(cancelling())

    assert is_gone(int((tmp_path / "pid").read_text()))


def test_endless_output_is_read_and_only_its_end_is_logged(run: Run, tmp_path: Path) -> None:
    script = a_script(
        tmp_path, f"{sys.executable} -c \"print('x' * 5_000_000)\"", "printf 'a\\033[1mlas\\nt' >&2", "exit 1"
    )

    with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable) as failed:
        send(run, a_command(script))

    [line] = [each for each in logs if "output" in each]
    assert len(line["output"]) <= KEPT_OUTPUT_BYTES
    assert line["output"].endswith("x a?[1mlas t")
    assert "xxx" not in str(failed.value)


def test_no_more_run_at_once_than_may(run: Run, tmp_path: Path) -> None:
    lines = ('mkdir "$1/lock" || exit 9', "sleep 0.05", 'rmdir "$1/lock"')
    target = a_command(a_script(tmp_path, *lines), str(tmp_path), at_once=1)

    async def several() -> None:
        await asyncio.gather(*(target.send(a_dispatch()) for _ in range(4)))

    run(several())


def test_more_than_may_wait_are_worth_trying_again(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    target = a_command(a_script(tmp_path, "cat > /dev/null"))

    async def several() -> list[object]:
        sending = (target.send(a_dispatch()), target.send(a_dispatch()))
        return list(await asyncio.gather(*sending, return_exceptions=True))

    results = run(several())

    assert [type(each) for each in results] == [type(None), Unavailable]
