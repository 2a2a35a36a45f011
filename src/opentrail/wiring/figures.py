"""Joins what /metrics tells beside what the journal counts: readers, process, disk."""

import shutil

from prometheus_client import Gauge, ProcessCollector

from opentrail.pipeline.attestation import Attestation
from opentrail.pipeline.attestation_figures import AttestationFigures
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.pipeline.lake_figures import LakeFigures
from opentrail.pipeline.log_delivery import LogDelivery
from opentrail.pipeline.log_figures import LogFigures
from opentrail.pipeline.reader_figures import ReaderFigures
from opentrail.pipeline.rules_figures import RulesFigures
from opentrail.pipeline.trail_delivery import TrailDelivery
from opentrail.wiring.installation import Installation
from opentrail.wiring.rules import Rules


def watch(
    installation: Installation,
    delivery: TrailDelivery,
    attestation: Attestation,
    lake: LakeDelivery,
    logs: LogDelivery,
    rules: Rules,
) -> None:
    """Add to the installation's registry how far its readers are behind, what the process uses and the disk has left.

    To be called once for an installation.
    """
    registry = installation.registry
    feeder, marks = installation.feeder, installation.figures.marks
    registry.register(ReaderFigures(marks, lambda: feeder.position, delivery, installation.clock))
    registry.register(AttestationFigures(attestation, installation.clock))
    registry.register(LakeFigures(marks, lake.states, installation.clock))
    registry.register(RulesFigures(marks, rules.reader, rules.delivery))
    registry.register(LogFigures(marks, logs.states))
    ProcessCollector(registry=registry)
    free = Gauge("opentrail_disk_free_bytes", "Free bytes on the home's disk.", registry=registry)
    free.set_function(lambda: shutil.disk_usage(installation.home.path).free)
