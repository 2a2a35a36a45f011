"""``opentrail match`` with a file of Sigma correlations: what they find in the events of log files."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from opentrail.cli.console import output, plain
from opentrail.errors import OperatorError
from opentrail.pattern.correlation import Correlations, CorrelationStream, Finding

MAX_EVENTS = 1_000_000
"""Events picked by the rules that are correlated: they are put in order of time in memory."""


def tell_findings(correlations: Correlations, events: Iterable[dict[str, Any]], *, as_json: bool) -> int:
    """Print what the correlations find in ``events``, taken in order of their time; return how many findings."""
    stream = CorrelationStream(correlations)
    timed, asked = [], 0
    for event in events:
        asked += 1
        if stream.concerns(event) and (at := _time_of(event)) is not None:
            timed.append((at, event))
            if len(timed) > MAX_EVENTS:
                raise OperatorError(f"the correlated rules pick more than {MAX_EVENTS:,} events: give fewer files")
    timed.sort(key=lambda pair: pair[0])
    findings = [finding for at, event in timed for finding in stream.observe(event, at)]
    findings += stream.finish()
    for finding in findings:
        _tell(finding, as_json=as_json)
    if stream.forgotten:
        output.print(plain(f"{stream.forgotten} groups were given up for want of memory"), style="yellow")
    if not as_json:
        output.print(f"{len(findings)} findings in {asked} events, {len(timed)} of them correlated", style="dim")
    return len(findings)


def _time_of(event: dict[str, Any]) -> float | None:
    """Return an event's time in seconds, None when it has none that can be read."""
    try:
        moment = datetime.fromisoformat(str(event.get("eventTime")))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _tell(finding: Finding, *, as_json: bool) -> None:
    first, last = _shown_time(finding.first_at), _shown_time(finding.at)
    if as_json:
        told = {
            "title": finding.title,
            "group": finding.group,
            "count": finding.count,
            "from": first,
            "to": last,
            "events": finding.event_ids,
        }
        sys.stdout.write(orjson.dumps(told).decode() + "\n")
        return
    group = ", ".join(f"{field} {value}" for field, value in finding.group.items())
    output.print(plain(f"{last}  {finding.title}: {finding.count} since {first}  {group}".rstrip()), soft_wrap=True)
    output.print(plain(f"    {' '.join(finding.event_ids)}"), soft_wrap=True, style="dim")


def _shown_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
