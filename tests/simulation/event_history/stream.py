"""The journal that the crash simulation feeds from: the same entries in every process."""

import random
from datetime import UTC, datetime, timedelta

import orjson

from opentrail.ports.journal import EventEntry
from tests.memory.journal import InMemoryJournal

EVENTS = 3_000
SEAL_EVENTS = 200
SEGMENT_ROWS = 1_000
ACCOUNT = "123456789012"
REGION = "eu-west-1"
_START = datetime(2024, 5, 7, 18, tzinfo=UTC)


def event_id(number: int) -> str:
    return f"event-{number:06}"


async def filled_journal() -> InMemoryJournal:
    """Return a journal of EVENTS events over four days, one in ten of them late by up to two days."""
    rng = random.Random(11)
    journal = InMemoryJournal()
    for number in range(EVENTS):
        moment = _START + timedelta(seconds=number * 90)
        if rng.random() < 0.1:
            moment -= timedelta(seconds=rng.randrange(172_800))
        event = {
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventName": f"Name{number % 7}",
            "awsRegion": REGION,
            "eventID": event_id(number),
            "eventCategory": "Management",
            "recipientAccountId": ACCOUNT,
        }
        await journal.append([EventEntry(orjson.dumps(event))])
    return journal
