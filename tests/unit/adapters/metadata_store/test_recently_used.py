from opentrail.adapters.metadata_store.recently_used import RecentlyUsed
from tests.support.metadata import TurnedClock


def a_memory(size: int = 2, seconds: float = 10) -> tuple[RecentlyUsed[str, int | None], TurnedClock]:
    clock = TurnedClock()
    return RecentlyUsed(size, seconds, clock.monotonic), clock


def test_a_value_is_told_from_none() -> None:
    memory, _ = a_memory()
    memory.put("a", None, 0)

    assert memory.get("a") == (None,)
    assert memory.get("b") is None


def test_the_one_not_used_for_longest_makes_room() -> None:
    memory, _ = a_memory(size=2)
    memory.put("a", 1, 0)
    memory.put("b", 2, 0)
    memory.get("a")

    memory.put("c", 3, 0)

    assert [memory.get(key) for key in "abc"] == [(1,), None, (3,)]
    assert len(memory) == 2


def test_a_value_is_forgotten_in_time() -> None:
    memory, clock = a_memory(seconds=10)
    memory.put("a", 1, 0)
    clock.turn(seconds=9.9)
    assert memory.get("a") == (1,)

    clock.turn(seconds=0.1)

    assert memory.get("a") is None
    assert len(memory) == 0


def test_a_value_read_before_a_change_is_not_put_after_it() -> None:
    memory, _ = a_memory()
    before = memory.changes
    memory.forget("b")

    memory.put("a", 1, before)

    assert memory.get("a") is None


def test_only_what_is_meant_is_forgotten() -> None:
    memory, _ = a_memory()
    memory.put("a", 1, 0)
    memory.put("b", 2, 0)

    memory.forget_all(lambda key: key == "a")

    assert [memory.get(key) for key in "ab"] == [None, (2,)]
