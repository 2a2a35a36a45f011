"""A replay in the terminal: counts, bars over time, top lists, the alarm, examples; as wide as there is room.

Colour is never all that says something. Whatever comes from events is shown with control characters made visible.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from opentrail.cli.columns import Column, fit, line
from opentrail.cli.console import output, plain
from opentrail.clock import parse_time
from opentrail.query.replay.histogram import Histogram, bar_lines, step_words

MAX_WIDTH = 110
"""Columns of a plot, on however wide a terminal."""

_HEIGHT = 8
_SHORT_HEIGHT = 4
_SPARK_BINS = 40
_SHOWN_NAMES = 5
_SHOWN_TRANSITIONS = 10
_DETAILED_RULES = 3
"""So many rules are shown one by one; more only in comparison."""

_LISTS = (
    ("Principals", "Principals"),
    ("SourceIPAddresses", "Source addresses"),
    ("EventNames", "Events"),
    ("EventSources", "Services"),
)
_METHODS = {
    "index": "narrowed by the index",
    "texts": "narrowed by texts",
    "columns": "narrowed by columns",
    "sql": "counted by SQL",
    "scan": "every event read",
}


class ReplayPrinter:
    """Prints one report."""

    def __init__(self, *, is_explaining: bool) -> None:
        self._is_explaining = is_explaining
        self._width = min(output.width, MAX_WIDTH)

    def print(self, report: dict[str, Any]) -> None:
        """Print the whole report."""
        rules = report["Rules"]
        output.print(plain(_source_line(report)), style="dim", soft_wrap=True)
        if len(rules) > 1:
            self._print_comparison(rules)
        if len(rules) <= _DETAILED_RULES:
            for rule in rules:
                self._print_rule(report, rule, _HEIGHT if len(rules) == 1 else _SHORT_HEIGHT)
        output.print(plain(_effort_line(report)), style="dim", soft_wrap=True)

    def _print_comparison(self, rules: Sequence[dict[str, Any]]) -> None:
        columns: tuple[Column, ...] = (
            Column("Rule", shrinks=2, least=10),
            Column("Matches"),
            Column("Share"),
            Column("Over time", shrinks=3, least=10),
            Column("Most by", shrinks=4, least=12),
            Column("Alarm", shrinks=1, least=8),
        )
        rows = [_comparison_row(rule) for rule in rules]
        if not any(rule["Alarm"] for rule in rules):
            columns, rows = columns[:-1], [row[:-1] for row in rows]
        widths = fit(columns, rows, self._width)
        output.print()
        for cells in ([Text(column.title, style="bold") for column in columns], *rows):
            output.print(line(cells, widths), soft_wrap=True)

    def _print_rule(self, report: dict[str, Any], rule: dict[str, Any], height: int) -> None:
        output.print()
        title = Text.assemble((plain(rule["Name"]).plain, "bold"), "  ", (rule["Language"].replace("-", " "), "dim"))
        output.print(title, soft_wrap=True)
        times = "match" if rule["Matches"] == 1 else "matches"
        said = f"{rule['Matches']:,} {times} in {report['Events']:,} events ({share_words(rule['Share'])})"
        if rule["Matches"]:
            said += f", first {rule['FirstTime']}, last {rule['LastTime']}"
        output.print(plain(said), soft_wrap=True)
        if not rule["Matches"]:
            self._print_alarm(rule)
            return
        output.print()
        for text in plot_lines(histogram(rule), self._width, height):
            output.print(text, soft_wrap=True)
        self._print_lists(rule)
        self._print_alarm(rule)
        self._print_examples(rule)

    def _print_lists(self, rule: dict[str, Any]) -> None:
        blocks = [_list_block(rule["Top"][member], title) for member, title in _LISTS]
        half = (self._width - 4) // 2
        is_wide = self._width >= 76
        pairs = [(blocks[0], blocks[1]), (blocks[2], blocks[3])] if is_wide else [(block, []) for block in blocks]
        for left, right in pairs:
            output.print()
            for place in range(max(len(left), len(right))):
                first = _cut(left[place] if place < len(left) else Text(), half if is_wide else self._width)
                if is_wide and place < len(right):
                    first = Text.assemble(first, " " * (half + 4 - len(first)), _cut(right[place], half))
                output.print(first, soft_wrap=True)

    def _print_alarm(self, rule: dict[str, Any]) -> None:
        alarm = rule["Alarm"]
        if alarm is None:
            return
        output.print()
        times = alarm["TimesFired"]
        said = Text.assemble(("Alarm  ", "bold"), (_times_fired(times), "bold red" if times else "bold green"))
        said.append(f", in ALARM for {duration(alarm['SecondsInAlarm'])}, at the end {alarm['FinalState']}")
        output.print(said, soft_wrap=True)
        output.print(plain(f"  {alarm_words(alarm)}"), style="dim", soft_wrap=True)
        output.print(plain(f"  {extreme_words(alarm)}"), style="dim", soft_wrap=True)
        told = telling_transitions(alarm)
        for one in told[:_SHOWN_TRANSITIONS]:
            mark = "▲" if one["To"] == "ALARM" else "▽" if one["To"] == "OK" else "·"
            text = plain(
                f"  {one['Time']}  {mark} {one['To']:<17}  {one['Reason'].removeprefix('Threshold Crossed: ')}"
            )
            output.print(_cut(text, max(self._width, 60)), style="red" if one["To"] == "ALARM" else "", soft_wrap=True)
        left = alarm["StateChanges"] - min(len(told), _SHOWN_TRANSITIONS)
        if left > 0 and told:
            output.print(f"  ... and {left:,} other changes of state (--json has them)", style="dim")

    def _print_examples(self, rule: dict[str, Any]) -> None:
        if not rule["Examples"]:
            return
        output.print()
        output.print("Newest matches", style="bold")
        for example in rule["Examples"]:
            output.print(_cut(_example_line(example), self._width), soft_wrap=True)
            if self._is_explaining:
                for condition in example["Conditions"]:
                    output.print(_cut(plain(f"      {condition_words(condition)}"), self._width), style="dim")


def histogram(rule: dict[str, Any]) -> Histogram:
    """Return a rule's counts over time."""
    wire = rule["Histogram"]
    start = int(parse_time(wire["StartTime"]).timestamp())
    return Histogram(start, wire["Seconds"], tuple(wire["Counts"]))


def plot_lines(bins: Histogram, width: int, height: int) -> Iterator[Text]:
    """Yield bars with their scale and days, at most ``width`` columns."""
    most_words = f"{max(bins.counts):,}"
    margin = max(len(most_words), 3) + 3
    shown = bins.at_most(max(10, width - margin))
    most_words = f"{max(shown.counts):,}"
    margin = max(len(most_words), 3) + 3
    repeat = max(1, (width - margin) // len(shown.counts))
    bars = bar_lines([count for count in shown.counts for _ in range(repeat)], height)
    for place, bar in enumerate(bars):
        label = most_words if place == 0 else ""
        yield Text.assemble(f"{label:>{margin - 2}} ", ("┤" if place == 0 else "│", "dim"), (bar.rstrip(), "cyan"))
    length = len(shown.counts) * repeat
    yield Text.assemble(f"{'0':>{margin - 2}} ", ("┼" + "─" * length, "dim"))
    yield Text(" " * margin + _axis(shown, length), style="dim")
    yield Text(f"{' ' * margin}one bar: {step_words(shown.seconds)}", style="dim")


def _axis(bins: Histogram, length: int) -> str:
    """Return days, or times of day in a short span, under the bars where there is room for them."""
    span = bins.seconds * len(bins.counts)
    form = (
        "%H:%M"
        if span <= 86_400
        else "%d %b %H:%M"
        if span <= 3 * 86_400
        else "%d %b"
        if span <= 86_400 * 366
        else "%Y-%m"
    )
    size = len(datetime.now(UTC).strftime(form))
    number = max(1, min(8, length // (size + 6)))
    cells = [" "] * length
    for tick in range(number + 1):
        place = min(length * tick // number, max(0, length - size))
        last = bins.seconds if tick == number else 0
        moment = datetime.fromtimestamp(bins.start + span * tick // number - last, UTC)
        cells[place : place + size] = moment.strftime(form)
    return "".join(cells).rstrip()


def _comparison_row(rule: dict[str, Any]) -> list[Text]:
    bins = histogram(rule).at_most(_SPARK_BINS) if rule["Matches"] else None
    names = rule["Top"]["Principals"]["Names"]
    alarm = rule["Alarm"]
    return [
        plain(rule["Name"]),
        Text(f"{rule['Matches']:,}", style="" if rule["Matches"] else "dim"),
        Text(share_words(rule["Share"])),
        Text(bar_lines(bins.counts, 1)[0] if bins else "", style="cyan"),
        plain(short_name(names[0]["Name"]) if names else ""),
        Text(_times_fired(alarm["TimesFired"]) if alarm else ""),
    ]


def _list_block(group: dict[str, Any], title: str) -> list[Text]:
    names = group["Names"][:_SHOWN_NAMES]
    more = group["Distinct"] - len(names)
    note = f"  and {more:,} more" if more > 0 else ""
    note = f"  at least; each up to {group['CountError']:,} more" if group["CountError"] else note
    block = [Text.assemble((title, "bold"), (note, "dim"))]
    if not names:
        return block
    most = names[0]["Count"]
    size = max(len(f"{name['Count']:,}") for name in names)
    for name in names:
        bar = "▇" * max(1, round(8 * name["Count"] / most)) if most else ""
        block.append(
            Text.assemble(
                f"  {name['Count']:>{size},} ", (f"{bar:<8} ", "cyan"), plain(short_name(name["Name"]) or "(none)")
            )
        )
    return block


def _example_line(example: dict[str, Any]) -> Text:
    record = example["Record"]
    source = _text(record.get("eventSource")).removesuffix(".amazonaws.com")
    identity = record.get("userIdentity")
    who = short_name(_text(identity.get("arn") or identity.get("type"))) if isinstance(identity, dict) else ""
    facts = [example["Time"], f"{source}:{_text(record.get('eventName'))}", who, _text(record.get("sourceIPAddress"))]
    facts += [_text(record.get("errorCode"))] if record.get("errorCode") else []
    return plain("  " + "  ".join(fact for fact in facts if fact))


def condition_words(condition: dict[str, str]) -> str:
    """Return a condition that an example met, as a sentence's part."""
    found = f" is {condition['Found']}" if condition["Found"] and condition["Found"] != "missing" else ""
    found = " is missing" if condition["Found"] == "missing" else found
    return f"{condition['Path'] or 'the message'}{found}, wanted {condition['Wanted']}"


def short_name(name: str) -> str:
    """Return an ARN's last part, or a name as it is."""
    return name.split(":", 5)[5] if name.startswith("arn:") and name.count(":") >= 5 else name


def share_words(share: float) -> str:
    """Return a share in per cent, with as many digits as tell something."""
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    return f"{share:.1%}" if share >= 0.01 else f"{share:.3%}" if share >= 0.00001 else "under 0.001%"


def duration(seconds: int) -> str:
    """Return a length of time in the two units that tell most."""
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    parts = []
    for size, word in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {word}")
    return " ".join(parts[:2]) or "0 s"


def alarm_words(alarm: dict[str, Any]) -> str:
    """Return an alarm's rule in a sentence."""
    settings = alarm["Settings"]
    periods = settings["EvaluationPeriods"]
    needed = settings.get("DatapointsToAlarm", periods)
    sign = {"GreaterThanOrEqualToThreshold": ">=", "GreaterThanThreshold": ">", "LessThanThreshold": "<"}
    compared = sign.get(settings["ComparisonOperator"], "<=")
    of = f"{needed} of {periods} periods" if periods > 1 else "1 period"
    value = "" if alarm["MetricValue"] == "1" else f" of {alarm['MetricValue']}"
    default = f", {alarm['DefaultValue']} for other events" if alarm["DefaultValue"] else ""
    compared += f" {settings['Threshold']:g}"
    return (
        f"{settings['Statistic']}{value} {compared} for {of} of {duration(settings['Period'])}"
        f"{default}, missing data: {settings['TreatMissingData']}"
    )


def extreme_words(alarm: dict[str, Any]) -> str:
    """Return how far the metric went, which tells what threshold would make another alarm of it."""
    if alarm["ExtremeValue"] is None:
        return "no datapoint in the span"
    side = "highest" if alarm["Settings"]["ComparisonOperator"].startswith("GreaterThan") else "lowest"
    return f"{side} datapoint: {alarm['ExtremeValue']:g} at {alarm['ExtremeTime']}"


def telling_transitions(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the changes of state into ALARM and out of it: those between the other states tell of gaps in the data."""
    return [one for one in alarm["Transitions"] if "ALARM" in (one["From"], one["To"])]


def _times_fired(times: int) -> str:
    return "would not have fired" if not times else "fires once" if times == 1 else f"fires {times:,} times"


def _source_line(report: dict[str, Any]) -> str:
    name = "Event history" if report["Source"] == "history" else report["Source"]
    return f"{name}, {report['StartTime']} to {report['EndTime']}"


def _effort_line(report: dict[str, Any]) -> str:
    said = f"{report['Events']:,} events in {report['Seconds']:.1f} s"
    if report["Events"] >= 1000:
        said += f", {report['EventsPerSecond']:,} a second"
    said += f" ({_METHODS.get(report['Method'], report['Method'])})"
    if report["UnreadableEvents"]:
        said += f"; {report['UnreadableEvents']:,} could not be read as records"
    elif not report["Events"]:
        said += "; --since and --until choose another span"
    return said


def _cut(text: Text, width: int) -> Text:
    return text if len(text) <= width else Text.assemble(text[: width - 1], "…")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
