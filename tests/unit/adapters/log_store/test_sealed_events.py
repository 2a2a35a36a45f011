"""Events of a group with a KMS key: on disk in encrypted form alone, readable exactly while the key may be used."""

import base64
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opentrail.adapters.log_store.local import LocalLogStore
from opentrail.envelope import open_text, sealing_key
from opentrail.ports.log_store import LogEvent, LogKey, LogKeyUnusable, LogRange, key_of
from opentrail.resource.key import KeyState
from opentrail.resource.log_group import LogGroup
from tests.builders import ACCOUNT, NOON, REGION, a_key
from tests.memory.key_ring import InMemoryKeyRing

DAY = 86_400_000
AT = 20_000 * DAY + DAY // 2
CANARY = "canary-4711"

KEY, OTHER = a_key(), a_key("99999999-2222-4333-8444-555555555555")


def key_under(key_arn: str) -> LogKey:
    key = key_of(LogGroup("g", ACCOUNT, REGION, "/app", NOON, kms_key_arn=key_arn))
    assert key is not None
    return key


@pytest.fixture
def ring() -> InMemoryKeyRing:
    return InMemoryKeyRing(KEY, OTHER)


@pytest.fixture
async def store(tmp_path: Path, ring: InMemoryKeyRing) -> AsyncIterator[LocalLogStore]:
    made = LocalLogStore(tmp_path, ring)
    yield made
    await made.close()


def an_event(message: str, at: int = AT) -> LogEvent:
    return LogEvent("s", at, AT, message)


async def messages(store: LocalLogStore, log_range: LogRange | None = None) -> list[str]:
    return [event.message for event in await store.read(log_range or LogRange("g"), 100)]


def has_canary(folder: Path, text: str = CANARY) -> bool:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return any(text.encode() in path.read_bytes() for path in files)


async def test_sealed_events_are_read_as_others_and_are_nowhere_on_disk(store: LocalLogStore, tmp_path: Path) -> None:
    texts = [CANARY, f"{CANARY} \ud83d", "\u00fc" + CANARY]

    await store.append("g", [an_event(text) for text in texts], key=key_under(KEY.arn))

    assert await messages(store) == texts
    arrived = await store.arrived("g", date(2024, 10, 4), 0, 0, 10)
    assert [event.message for event in arrived] == texts
    assert (await store.figures("g"))["s"].stored_bytes == sum(an_event(text).size_bytes for text in texts)
    assert not has_canary(tmp_path)


async def test_what_came_before_a_key_and_after_it_stays_as_it_was_put(store: LocalLogStore, tmp_path: Path) -> None:
    await store.append("g", [an_event("before")])
    await store.append("g", [an_event("under one")], key=key_under(KEY.arn))
    await store.append("g", [an_event("under another")], key=key_under(OTHER.arn))
    await store.append("g", [an_event("after", AT + DAY)])

    assert await messages(store) == ["before", "under one", "under another", "after"]
    on_disk = {text: has_canary(tmp_path, text) for text in ("before", "under one", "under another", "after")}
    assert on_disk == {"before": True, "under one": False, "under another": False, "after": True}


async def test_a_key_that_is_disabled_holds_up_its_own_events_alone(
    store: LocalLogStore, ring: InMemoryKeyRing
) -> None:
    await store.append("g", [an_event("plain")])
    await store.append("g", [an_event("sealed", AT + 1)], key=key_under(KEY.arn))
    ring.set_state(KEY.arn, KeyState.DISABLED)

    with pytest.raises(LogKeyUnusable):
        await store.append("g", [an_event("refused", AT + 2)], key=key_under(KEY.arn))
    with pytest.raises(LogKeyUnusable):
        await messages(store)
    with pytest.raises(LogKeyUnusable):
        await store.rows(LogRange("g"), (), {})
    with pytest.raises(LogKeyUnusable):
        await store.arrived("g", date(2024, 10, 4), 0, 0, 10)
    assert await messages(store, LogRange("g", end=AT + 1)) == ["plain"]

    ring.set_state(KEY.arn, KeyState.ENABLED)
    await store.append("g", [an_event("taken", AT + 2)], key=key_under(KEY.arn))
    assert await messages(store) == ["plain", "sealed", "taken"]


async def test_events_of_many_processes_are_read_with_all_their_keys(tmp_path: Path, ring: InMemoryKeyRing) -> None:
    for number in range(4):
        store = LocalLogStore(tmp_path, ring)
        await store.append("g", [an_event(f"{number}", AT + number * DAY)], key=key_under(KEY.arn))
        await store.close()
    store = LocalLogStore(tmp_path, ring)

    assert await messages(store) == ["0", "1", "2", "3"]
    assert len((await store.rows(LogRange("g"), (), {})).data_keys) == 4
    await store.close()


async def test_a_query_s_engine_gets_rows_and_the_keys_that_open_them(store: LocalLogStore) -> None:
    await store.append("g", [an_event(CANARY)], key=key_under(KEY.arn))

    source = await store.rows(LogRange("g"), (), {"s": "stream"})

    [(stream, at, *_, message)] = rows_of(source.files, source.statement, source.parameters)
    key = AESGCM(base64.b64decode(source.data_keys[sealing_key(message).hex()]))
    assert open_text(key, message, f"{stream} {at}".encode()) == CANARY.encode()
    assert source.data_keys[sealing_key(message).hex()] not in repr(source)


async def test_a_message_that_was_moved_or_altered_is_not_read(store: LocalLogStore, tmp_path: Path) -> None:
    await store.append("g", [an_event("one"), an_event("two", AT + 1)], key=key_under(KEY.arn))
    [path] = tmp_path.rglob("*.sqlite")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE events SET message = (SELECT message FROM events WHERE sequence = 1)")

    with pytest.raises(LogKeyUnusable):
        await messages(store, LogRange("g", start=AT + 1))


async def test_a_file_of_the_version_before_takes_sealed_events(
    store: LocalLogStore, tmp_path: Path, ring: InMemoryKeyRing
) -> None:
    await store.append("g", [an_event("old")])
    await store.close()
    [path] = tmp_path.rglob("*.sqlite")
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE data_keys; PRAGMA user_version = 1;")
    reopened = LocalLogStore(tmp_path, ring)

    assert await messages(reopened) == ["old"]
    await reopened.append("g", [an_event(CANARY)], key=key_under(KEY.arn))
    assert await messages(reopened) == ["old", CANARY]
    await reopened.close()


def rows_of(files: Sequence[str], statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for file in files:
        with sqlite3.connect(file) as connection:
            found += connection.execute(statement, parameters)
    return found
