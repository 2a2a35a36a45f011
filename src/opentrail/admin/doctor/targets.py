"""Whether what rules, alarms and subscriptions set off gets there: programs that can be run, targets that answer."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opentrail.admin.doctor.findings import Fault, Finding
from opentrail.clock import format_time
from opentrail.pipeline.invocation_delivery import TargetHealth

PATIENCE = timedelta(minutes=1)
"""How long a target may take nothing before it is a fault."""

MAX_TOLD = 20
"""Targets that fail, of which each is told."""


@dataclass(frozen=True)
class TargetChecks:
    """``programs`` are those of named commands, by name; ``health`` is a running server's, by ARN."""

    programs: Mapping[str, str] = field(default_factory=dict)
    can_run: Callable[[str], bool] = field(default=lambda _: True)
    health: Callable[[], Mapping[str, TargetHealth]] = field(default=dict)

    def check(self, now: datetime) -> Iterator[Finding]:
        """Yield what cannot be run, and what takes nothing."""
        for name, program in sorted(self.programs.items()):
            if not self.can_run(program):
                problem = f"its program {program} is not there, or may not be run"
                yield Finding(Fault.TARGET_COMMAND, name, problem, f"install it, or mend target.{name}.command")
        failing = [
            (each.failing_since, arn, each.last_error)
            for arn, each in self.health().items()
            if each.failing_since is not None and now - each.failing_since > PATIENCE
        ]
        for since, arn, error in sorted(failing)[:MAX_TOLD]:
            problem = f"it takes nothing since {format_time(since)}: {error}"
            mend = "see that it answers; what waits goes out then, or to its dead-letter queue"
            yield Finding(Fault.TARGET_FAILING, arn, problem, mend)
