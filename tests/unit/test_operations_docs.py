"""The page for operators names figures that exist."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from opentrail.pipeline.attestation import Attestation
from opentrail.pipeline.attestation_figures import AttestationFigures
from opentrail.pipeline.journal_figures import JournalFigures
from opentrail.pipeline.lake_figures import LakeFigures
from opentrail.pipeline.log_figures import LogFigures
from opentrail.pipeline.reader_figures import ReaderFigures
from opentrail.pipeline.rules_figures import RulesFigures
from tests.memory.attestation_log import InMemoryAttestationLog
from tests.memory.journal import InMemoryJournal
from tests.memory.object_store import InMemoryObjectStores
from tests.support.delivery import DeliveryWorld
from tests.unit.pipeline.test_invocation_delivery import Delivering
from tests.unit.pipeline.test_rules import Reading

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
OF_THE_HOST = {"opentrail_disk_free_bytes"}


def test_every_figure_of_the_page_is_one_of_metrics_and_every_figure_is_on_the_page() -> None:
    registry = CollectorRegistry()
    figures = JournalFigures(registry)
    figures.follow(InMemoryJournal())
    world = DeliveryWorld()
    registry.register(ReaderFigures(figures.marks, lambda: None, world.delivery, world.clock))
    attestation = Attestation(InMemoryAttestationLog(world.log), [], InMemoryObjectStores(world.bucket), world.clock)
    registry.register(AttestationFigures(attestation, world.clock))
    registry.register(LakeFigures(figures.marks, list, world.clock))
    registry.register(RulesFigures(figures.marks, Reading().reader(), Delivering().delivery))
    registry.register(LogFigures(figures.marks, list))

    named = set(re.findall(r"\bopentrail_[a-z_]+", PAGE.read_text())) - OF_THE_HOST
    families = {metric.name + ("_total" if metric.type == "counter" else "") for metric in registry.collect()}

    assert {name.removesuffix("_bucket") for name in named} == families
