"""Counting in memory: the events of one list, by the product's own counter, in this process."""

import asyncio
from collections.abc import Sequence

from opentrail.event import Event
from opentrail.event.encoding import encode_event
from opentrail.ports.query_engine import EngineTable
from opentrail.ports.replay import Counted, CountingJob, Progress
from opentrail.query.replay.counting import Counter
from opentrail.query.replay.metrics import read_metric
from opentrail.query.replay.rules import read_replay_rule


class InMemoryCounting:
    """Counts ``events``, whatever account and Region they are of; ``gate`` holds every count up until it is set."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = list(events)
        self.gate = asyncio.Event()
        self.gate.set()
        self.jobs: list[CountingJob] = []

    async def count(self, job: CountingJob, on_progress: Progress) -> Counted:
        self.jobs.append(job)
        on_progress(0, len(self.events))
        await self.gate.wait()
        rules = [read_replay_rule(rule.name, rule.language, rule.text) for rule in job.rules]
        metrics = [read_metric(one.metric_value, one.default_value) if one.metric_value else None for one in job.rules]
        counter = Counter(rules, metrics, job.start, job.end, job.max_examples)
        for event in self.events:
            counter.take(encode_event(event))
        on_progress(len(self.events), len(self.events))
        return Counted([counter.to_wire()], len(self.events), "scan")

    async def prepare_counting(self) -> int:
        return 0


class InMemoryLakeCounting(InMemoryCounting):
    """Counts the same events of every table."""

    async def count(self, table: EngineTable, job: CountingJob, on_progress: Progress) -> Counted:  # type: ignore[override]
        return await super().count(job, on_progress)
