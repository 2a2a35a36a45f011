"""``opentrail replay``: what rules would have done over recorded events, before they are switched on."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from opentrail.cli.console import Context, HomeOption
from opentrail.cli.lookup import parse_when
from opentrail.cli.replay_page import page
from opentrail.cli.replay_plot import ReplayPrinter
from opentrail.cli.replay_progress import ProgressLine
from opentrail.clock import format_time
from opentrail.errors import OperatorError
from opentrail.pattern.lookup_attributes import ATTRIBUTE_KEYS
from opentrail.query.replay.rules import MAX_RULE_CHARACTERS, REPLAY_LANGUAGES, guess_language

POLL_SECONDS = 0.1
"""How often a replay in the server is asked how it stands."""

MAX_NAME_CHARACTERS = 40

_LANGUAGES = StrEnum("_LANGUAGES", {name.replace("-", "_").upper(): name for name in REPLAY_LANGUAGES})  # type: ignore[misc]


class _Missing(StrEnum):
    MISSING = "missing"
    NOT_BREACHING = "notBreaching"
    BREACHING = "breaching"
    IGNORE = "ignore"


class _Comparison(StrEnum):
    AT_LEAST = ">="
    MORE = ">"
    LESS = "<"
    AT_MOST = "<="


_COMPARISONS = {
    ">=": "GreaterThanOrEqualToThreshold",
    ">": "GreaterThanThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}


class _Statistic(StrEnum):
    SUM = "Sum"
    COUNT = "SampleCount"
    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"


def replay_command(
    context: typer.Context,
    rules: Annotated[
        list[str],
        typer.Argument(
            metavar="RULE...",
            help="A file with a rule, or the rule itself; NAME=RULE names it. Several are compared.",
        ),
    ],
    language: Annotated[
        _LANGUAGES | None,
        typer.Option("--language", help="What the rules are written in; default: told by their text."),
    ] = None,
    store: Annotated[
        str,
        typer.Option("--event-data-store", metavar="NAME|ID|ARN", help="Over this event data store; default: history."),
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="From then on: 2h, 7d ago, or a time; default: 90 days ago.")
    ] = "",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Up to then, said the same way; default: now.")] = "",
    region: Annotated[
        list[str] | None, typer.Option(metavar="REGION", help="Of Event history, this Region; may be given often.")
    ] = None,
    account: Annotated[str, typer.Option(metavar="ID", help="Of Event history, this account; default: its own.")] = "",
    threshold: Annotated[
        float | None,
        typer.Option(metavar="N", help="Of metric filters: say when an alarm at this threshold would have fired."),
    ] = None,
    comparison: Annotated[_Comparison, typer.Option(help="How the alarm compares with it.")] = _Comparison.AT_LEAST,
    period: Annotated[int, typer.Option(metavar="SECONDS", help="The alarm's period.")] = 300,
    evaluation_periods: Annotated[int, typer.Option(metavar="N", help="Periods that the alarm looks at.")] = 1,
    datapoints_to_alarm: Annotated[
        int, typer.Option(metavar="M", help="Of them so many must be beyond it; default: all.")
    ] = 0,
    statistic: Annotated[_Statistic, typer.Option(help="What the alarm makes of a period.")] = _Statistic.SUM,
    treat_missing_data: Annotated[
        _Missing, typer.Option(help="What a period without data counts as.")
    ] = _Missing.MISSING,
    metric_value: Annotated[
        str,
        typer.Option(metavar="VALUE", help="What a match publishes: a number, or a path such as $.a.b; default: 1."),
    ] = "",
    default_value: Annotated[str, typer.Option(metavar="N", help="What any other event publishes.")] = "",
    examples: Annotated[int, typer.Option(min=0, max=100, metavar="N", help="So many of the newest matches.")] = 5,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each example which conditions it met.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write the report as one page that needs nothing else."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Try rules on what was recorded: how often they match, when, and whom.

    Any rule of any language, before it is switched on: event patterns, metric filter patterns with their alarm, event
    selectors, SNS filter policies, LookupEvents attributes and Sigma rules, over Event history or an event data store.
    Exit code 1 when nothing matches.

    \b
    opentrail replay '{ $.errorCode = "AccessDenied*" }' --threshold 1 --period 300
    opentrail replay root=root.json logins=login.yml --since 30d --html replay.html
    """
    now = datetime.now(UTC)
    start = parse_when(since, now)
    alarm = _alarm(
        threshold, comparison, period, evaluation_periods, datapoints_to_alarm, statistic, treat_missing_data
    )
    given = _with_names([_read_rule(text, language or "") for text in rules])
    request = {
        "Rules": [rule | _metric(rule, alarm, metric_value, default_value) for rule in given],
        "Source": store or "history",
        "StartTime": format_time(start) if start else None,
        "EndTime": (parse_when(until, now) or now).isoformat(),
        "AccountId": account,
        "Regions": region or [],
        "MaxExamples": examples,
    }
    report = run_request(Context.of(context, home), request)
    _show(report, as_json=as_json, html=html, is_explaining=explain)
    raise typer.Exit(0 if any(rule["Matches"] for rule in report["Rules"]) else 1)


def _show(report: dict[str, Any], *, as_json: bool, html: Path | None, is_explaining: bool) -> None:
    if html is not None:
        html.write_text(page(report, datetime.now(UTC)), encoding="utf-8")
    if as_json:
        sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        ReplayPrinter(is_explaining=is_explaining).print(report)


def _alarm(
    threshold: float | None,
    comparison: str,
    period: int,
    evaluation_periods: int,
    datapoints_to_alarm: int,
    statistic: str,
    missing: str,
) -> dict[str, Any] | None:
    if threshold is None:
        return None
    return {
        "Threshold": threshold,
        "ComparisonOperator": _COMPARISONS[str(comparison)],
        "Period": period,
        "EvaluationPeriods": evaluation_periods,
        "DatapointsToAlarm": datapoints_to_alarm,
        "Statistic": str(statistic),
        "TreatMissingData": str(missing),
    }


def _metric(rule: dict[str, Any], alarm: dict[str, Any] | None, value: str, default: str) -> dict[str, Any]:
    """Return what an alarm adds to a rule: to metric filters only, where others are compared with them."""
    if rule["Language"] != "filter-pattern":
        return {}
    wanted = {"Alarm": alarm, "MetricValue": value, "DefaultValue": default}
    return {name: one for name, one in wanted.items() if one}


def _read_rule(given: str, language: str) -> dict[str, Any]:
    """Read ``FILE``, ``NAME=FILE``, a rule, or ``NAME=`` and a rule; a name is made of letters, digits, ``-_. ``."""
    name, path = "", _file(given)
    before, sign, after = given.partition("=")
    if path is None and sign and 0 < len(before) <= MAX_NAME_CHARACTERS and _is_name(before):
        inner = _file(after)
        is_rule = after.lstrip().startswith(("{", "[", "%", '"', "?")) or after.partition("=")[0] in ATTRIBUTE_KEYS
        if inner is not None or is_rule:
            name, path, given = before.strip(), inner, after
    if path is None and given.endswith((".json", ".yml", ".yaml", ".txt")) and "\n" not in given and "{" not in given:
        raise OperatorError(f"there is no file {given}")
    text = given
    if path is not None:
        try:
            text = path.read_bytes()[: MAX_RULE_CHARACTERS * 4].decode()
        except UnicodeDecodeError as error:
            raise OperatorError(f"{path} is no UTF-8 text") from error
        name = name or path.stem
    return {"Name": name[:MAX_NAME_CHARACTERS], "Language": language or guess_language(text), "Rule": text}


def _is_name(text: str) -> bool:
    return text not in ATTRIBUTE_KEYS and all(character.isalnum() or character in "-_. " for character in text)


def _file(given: str) -> Path | None:
    with suppress(OSError, ValueError):
        path = Path(given)
        return path if path.is_file() else None
    return None


def _with_names(rules: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each rule a name of its own."""
    named: dict[str, dict[str, Any]] = {}
    for place, rule in enumerate(rules, 1):
        name = rule["Name"] or (f"rule {place}" if len(rules) > 1 else "rule")
        while name in named:
            name += "'"
        named[name] = rule | {"Name": name}
    return list(named.values())


def run_request(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Run a replay in the server that holds the home, else here; Ctrl-C stops it wherever it runs."""
    with ProgressLine() as progress:
        if context.home.serving() is None:
            from opentrail.wiring.replaying import run_replay

            settings = context.read_settings().settings
            return asyncio.run(run_replay(context.home, settings, request, progress.show))
        return _in_server(context, request, progress.show)


def _in_server(context: Context, request: dict[str, Any], on_progress: Callable[[int, int], None]) -> dict[str, Any]:
    replay_id = context.run("start_replay", request=request)["id"]
    try:
        while True:
            stands = context.run("replay_state", id=replay_id)
            on_progress(stands["EventsPassed"], stands["EventsTotal"])
            if stands["State"] == "FINISHED":
                return _report(context, replay_id)
            if stands["State"] in ("FAILED", "CANCELLED"):
                raise OperatorError(stands["Error"] or "the replay was cancelled")
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        context.run("cancel_replay", id=replay_id)
        raise


def _report(context: Context, replay_id: str) -> dict[str, Any]:
    parts: list[str] = []
    while part := context.run("replay_report", id=replay_id, first=sum(map(len, parts)))["part"]:
        parts.append(part)
    report: dict[str, Any] = orjson.loads("".join(parts))
    return report
