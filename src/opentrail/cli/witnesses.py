"""``validate-logs --witness``: asks each named witness about the digests of a validation and prints what it says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import typer

from opentrail.cli.console import Context
from opentrail.ports.object_store import ObjectStores
from opentrail.query.witness_check import WitnessFinding, WitnessVerdict
from opentrail.query.witnessed_validation import WitnessedValidation, summary_line

WitnessOption = Annotated[
    list[str] | None,
    typer.Option(
        "--witness",
        metavar="NAME|FILE",
        help="Ask this witness of the settings, or a file that one gave you; may be repeated.",
    ),
]


@dataclass
class WitnessReport:
    """What one witness said."""

    name: str
    verdicts: Counter[WitnessVerdict] = field(default_factory=Counter)
    findings: list[WitnessFinding] = field(default_factory=list)

    def add(self, finding: WitnessFinding) -> None:
        self.verdicts[finding.verdict] += 1
        self.findings.append(finding)

    @property
    def is_sound(self) -> bool:
        """Whether nothing speaks against any digest."""
        return all(finding.is_sound for finding in self.findings)

    def text(self) -> str:
        """Return the closing line."""
        return summary_line(f"Witness {self.name}", self.verdicts)

    def to_json(self) -> dict[str, object]:
        """Return everything for machines."""
        return {
            "witness": self.name,
            "verdicts": {verdict.value: count for verdict, count in self.verdicts.items()},
            "findings": [finding.to_json() for finding in self.findings],
        }


async def ask_witnesses(
    context: Context, names: Sequence[str], stores: ObjectStores, validation: WitnessedValidation
) -> list[WitnessReport]:
    """Ask each witness in turn. Raises OperatorError for a name that is none, and the port's errors."""
    if not names:
        return []
    # Imported here because most validations ask no witness.
    from opentrail.clock import SystemClock
    from opentrail.wiring.witnesses import asked_witness

    settings, reports = context.read_settings().settings, []
    for name in names:
        asked = asked_witness(settings, name, stores, SystemClock())
        report = WitnessReport(name)
        async for finding in validation.findings(asked.source, datetime.now(UTC), asked.late_after):
            report.add(finding)
        reports.append(report)
    return reports
