"""What invocations are by themselves: their ids, and how many of them are kept as one."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.ports.invocations import Invocation, InvocationBatch, invocation_id
from opentrail.ports.journal import Position
from tests.builders import NOON

QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"
TARGETS = st.fixed_dictionaries(
    {"Id": st.sampled_from(["1", "2"])},
    optional={
        "Arn": st.just(QUEUE),
        "Input": st.text(),
        "RetryPolicy": st.fixed_dictionaries({"Age": st.integers(0, 9)}),
    },
)
MEMBERS = st.tuples(
    st.text("0123456789", min_size=1).map(Position),
    st.sampled_from(["rule/a", 'rule/\n"b']),
    TARGETS,
    st.binary(max_size=50),
    st.integers(0, 10**9).map(lambda each: NOON + timedelta(microseconds=each)),
)


def in_order(target: dict[str, object]) -> bytes:
    """Return a target's JSON in one order of its members: of equal targets the first one's stands for all."""
    return orjson.dumps(target, option=orjson.OPT_SORT_KEYS)


@given(st.lists(MEMBERS, min_size=1))
def test_what_is_unpacked_of_a_batch_is_what_was_put_in(
    members: list[tuple[Position, str, dict[str, object], bytes, datetime]],
) -> None:
    batch = InvocationBatch(QUEUE)
    for position, rule_arn, target, event, moment in members:
        batch.add(position, rule_arn, target, event, moment)

    found = InvocationBatch.unpacked(QUEUE, batch.to_bytes())

    assert [replace(each, target=in_order(orjson.loads(each.target))) for each in found] == [
        Invocation(
            invocation_id(position, rule_arn, str(target["Id"])),
            QUEUE,
            rule_arn,
            str(target["Id"]),
            in_order(target),
            event,
            moment,
        )
        for position, rule_arn, target, event, moment in members
    ]
    assert len(batch) == len(members)
    assert batch.matched_at == members[0][-1]


def test_an_invocations_id_depends_on_event_rule_and_target() -> None:
    ids = {
        invocation_id(Position(position), rule, target)
        for position in ("1", "2")
        for rule in ("a", "b")
        for target in ("x", "y")
    }

    assert len(ids) == 8
    assert invocation_id(Position("1"), "a", "x") in ids


@pytest.mark.parametrize("position", ["1", "000000000000000017", "00000000000000123456", "\u00e9t\u00e9" * 20])
def test_an_invocations_id_is_a_uuid(position: str) -> None:
    made = invocation_id(Position(position), "a", "x")

    assert str(UUID(made)) == made
    assert UUID(made).version == 8


def test_ids_of_invocations_are_in_the_order_of_their_positions() -> None:
    made = [invocation_id(Position(f"{number:020}"), "a", "x") for number in range(990, 1_110)]

    assert made == sorted(made)
