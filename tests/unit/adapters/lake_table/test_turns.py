"""Turns: batches are planned and written side by side, and committed in the order of their plans."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date

import pyarrow as pa
import pytest

from opentrail.adapters.lake_table.turns import BatchPlan, Turns
from opentrail.ports import Unavailable

DAY = date(2026, 11, 21)
PATIENCE_SECONDS = 30


def planned(batch: str, ids: Sequence[str] = ("a",)) -> Callable[[Sequence[BatchPlan]], BatchPlan]:
    def plan(before: Sequence[BatchPlan]) -> BatchPlan:
        number = 1 + sum(one.has_rows for one in before)
        return BatchPlan(batch, number, {DAY: None}, {DAY: pa.array(ids, pa.string())})

    return plan


def failed_before(failing: str, turns: Turns, line: ExitStack, batch: str) -> BatchPlan:
    """Let a batch fail before which another one was planned on it; return the other's plan."""

    def fail() -> BatchPlan:
        with turns.in_line(failing, planned(failing)):
            behind.append(line.enter_context(turns.in_line(batch, planned(batch))))
            raise ZeroDivisionError

    behind: list[BatchPlan] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    return behind[0]


def commit(turns: Turns, plan: BatchPlan) -> str:
    with turns.first(plan):
        return plan.batch


def test_a_plan_knows_those_before_it_and_takes_the_number_behind_them() -> None:
    turns = Turns()
    seen: list[BatchPlan] = []

    def plan(before: Sequence[BatchPlan]) -> BatchPlan:
        seen.extend(before)
        return planned("two")(before)

    with ExitStack() as line:
        first = line.enter_context(turns.in_line("one", planned("one")))
        second = line.enter_context(turns.in_line("none", planned("none", ())))
        third = line.enter_context(turns.in_line("two", plan))

    assert (seen[0] is first, seen[1] is second, len(seen)) == (True, True, 2)
    assert (first.number, third.number) == (1, 2)


def test_a_commit_waits_for_the_plans_before_it() -> None:
    turns = Turns()
    with ThreadPoolExecutor(1) as threads, ExitStack() as line:
        first = line.enter_context(turns.in_line("one", planned("one")))
        second = line.enter_context(turns.in_line("two", planned("two")))

        later = threads.submit(commit, turns, second)
        assert not later.done()
        commit(turns, first)

        assert later.result(PATIENCE_SECONDS) == "two"


def test_a_plan_that_fails_takes_those_behind_it_along_and_nobody_before_it() -> None:
    turns = Turns()
    with ExitStack() as line:
        before = line.enter_context(turns.in_line("one", planned("one")))
        behind = failed_before("two", turns, line, "three")

        with pytest.raises(Unavailable):
            commit(turns, behind)
        assert commit(turns, before) == "one"


def waits(turns: Turns, batch: str, until: Callable[[], None]) -> BatchPlan:
    """Plan a batch in a thread; return its plan, which was made after ``until`` and not before."""
    calls: list[str] = []

    def plan(before: Sequence[BatchPlan]) -> BatchPlan:
        calls.append("planned")
        return planned(batch)(before)

    def stand() -> BatchPlan:
        with turns.in_line(batch, plan) as made:
            return made

    with ThreadPoolExecutor(1) as threads:
        later: Future[BatchPlan] = threads.submit(stand)
        assert not calls
        until()
        return later.result(PATIENCE_SECONDS)


def test_nobody_plans_on_a_plan_that_has_failed() -> None:
    turns = Turns()
    line = ExitStack()
    failed_before("one", turns, line, "two")

    assert waits(turns, "three", line.close).number == 1


def test_the_same_batch_is_not_planned_twice_at_a_time() -> None:
    turns = Turns()
    line = ExitStack()
    line.enter_context(turns.in_line("one", planned("one")))

    assert waits(turns, "one", line.close).number == 1


def test_who_writes_alone_waits_for_the_line() -> None:
    turns = Turns()
    done: list[str] = []

    def write_alone() -> None:
        with turns.alone():
            done.append("alone")

    with ThreadPoolExecutor(1) as threads, turns.in_line("one", planned("one")) as plan:
        alone = threads.submit(write_alone)
        assert not done
        done.append(commit(turns, plan))
        alone.result(PATIENCE_SECONDS)

    assert done == ["one", "alone"]


def test_a_batch_waits_for_who_writes_alone() -> None:
    turns = Turns()
    alone = ExitStack()
    alone.enter_context(turns.alone())

    assert waits(turns, "one", alone.close).number == 1
