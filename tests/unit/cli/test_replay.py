"""A replay in the terminal and as a page: what it says, how wide it gets, and that nothing hostile acts in either."""

import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from opentrail.cli import replay, replay_plot
from opentrail.cli.replay import _read_rule, _with_names
from opentrail.cli.replay_page import page
from opentrail.cli.replay_plot import ReplayPrinter, duration, share_words
from opentrail.errors import OperatorError
from opentrail.query.replay.counting import Counter
from opentrail.query.replay.histogram import Histogram, bar_lines, histogram_of, step_for
from opentrail.query.replay.metrics import read_metric
from opentrail.query.replay.report import Effort, report_of
from opentrail.query.replay.requests import read_request
from tests.builders import an_event

NOW = datetime(2026, 11, 21, tzinfo=UTC)
HOSTILE = '\x1b[31mred</pre><script>alert("1")</script>\u202eevil\n<img src=x>'


def a_report(rules: list[dict[str, Any]], events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the report of rules over events, as the command gets it."""
    asked = read_request({"Rules": rules, "StartTime": "2026-11-20", "EndTime": "2026-11-21"}, NOW)
    metrics = [read_metric(one.metric_value) if one.metric_value else None for one in asked.rules]
    start, end = int(asked.start.timestamp()), int(asked.end.timestamp())
    counter = Counter([one.rule for one in asked.rules], metrics, start, end, asked.max_examples)
    for event in events:
        counter.take(orjson.dumps(event))
    report = report_of(asked, "history", counter.tallies, Effort(len(events), 0, 0.5, "texts"))
    copied: dict[str, Any] = orjson.loads(orjson.dumps(report))
    return copied


DENIED = {"Name": "denied", "Rule": '{ $.errorCode = "AccessDenied*" }', "Alarm": {"Threshold": 2, "Period": 60}}
EVENTS = [
    an_event(eventTime=f"2026-11-20T{hour:02}:00:{second:02}Z", eventID=f"{hour}-{second}", errorCode="AccessDenied")
    for hour in range(3, 20, 4)
    for second in range(1 + hour % 3)
]


def printed(report: dict[str, Any], monkeypatch: pytest.MonkeyPatch, width: int = 100, **options: bool) -> str:
    stream = io.StringIO()
    monkeypatch.setattr(replay_plot, "output", Console(file=stream, width=width, highlight=False, no_color=True))
    ReplayPrinter(is_explaining=options.get("is_explaining", False)).print(report)
    return stream.getvalue()


def test_one_rule_shows_counts_bars_names_alarm_and_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(a_report([DENIED], [*EVENTS, an_event()]), monkeypatch, is_explaining=True)

    assert f"{len(EVENTS)} matches in {len(EVENTS) + 1} events" in said
    assert "█" in said
    assert "one bar: " in said
    assert "user/anaya" in said
    assert "fires" in said
    assert 'errorCode is "AccessDenied", wanted a text that begins with "AccessDenied"' in said


def test_an_alarm_that_does_not_fire_tells_how_near_it_came_and_not_its_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    report = a_report([DENIED | {"Alarm": {"Threshold": 99, "Period": 60}}], EVENTS)

    for said in (printed(report, monkeypatch), page(report, NOW)):
        assert "ould not have fired" in said
        assert "highest datapoint: 3 at 2026-11-20T11:01:00Z" in said
        assert "Insufficient Data" not in said


def test_a_span_without_events_says_how_another_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--since and --until" in printed(a_report([DENIED], []), monkeypatch)
    assert "--since" not in printed(a_report([DENIED], EVENTS), monkeypatch)


def test_several_rules_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"Name": "nothing", "Rule": "EventName=NeverCalled"}
    said = printed(a_report([DENIED, other], EVENTS), monkeypatch)

    header, first, second = said.splitlines()[2:5]
    assert header.split() == ["Rule", "Matches", "Share", "Over", "time", "Most", "by", "Alarm"]
    assert first.startswith("denied ")
    assert second.split()[:3] == ["nothing", "0", "0%"]


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal_save_for_sentences(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(a_report([DENIED, {"Rule": '{"source": ["aws.iam"]}'}], EVENTS), monkeypatch, width)

    pictures = [line for line in said.splitlines() if re.search("[▁-█┤┼▇]", line)]
    assert pictures
    assert max(map(len, pictures)) <= width


def test_what_events_say_neither_steers_a_terminal_nor_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = an_event(eventTime="2026-11-20T12:00:00Z", eventName=HOSTILE, errorCode=HOSTILE, sourceIPAddress=HOSTILE)
    hostile["userIdentity"] = {"type": "IAMUser", "arn": HOSTILE}
    rule = {"Name": f"a {HOSTILE}"[:100], "Rule": '{ $.errorCode = "*red*" && $.eventName = "*" }'}
    report = a_report([rule, DENIED], [hostile])

    said = printed(report, monkeypatch, is_explaining=True)
    written = page(report, NOW)

    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "\x1b" not in written
    assert "<script" not in written
    assert "<img" not in written


class _Resources(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []
        self.labels = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        self.labels += tag == "svg" and named.get("role") == "img" and bool(named.get("aria-label"))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    written = page(a_report([DENIED, {"Name": "two", "Rule": '{"source": ["aws.iam"]}'}], EVENTS), NOW)
    parser = _Resources()
    parser.feed(written)

    assert parser.open == []
    assert all(target.startswith("#rule-") for target in parser.found)
    assert "default-src 'none'" in written
    assert "url(" not in written
    assert "@import" not in written
    assert parser.labels == 4  # a chart and a spark line for each rule
    assert "<mark>" in written


@pytest.mark.parametrize(
    ("given", "name", "language"),
    [
        ("EventName=DeleteBucket", "rule", "lookup-attributes"),
        ("mine=EventName=DeleteBucket", "mine", "lookup-attributes"),
        ('my rule={"source": ["aws.s3"]}', "my rule", "event-pattern"),
        ('{ $.a = "b=c" }', "rule", "filter-pattern"),
        ("?a=b ?c", "rule", "filter-pattern"),
    ],
)
def test_a_rule_given_as_text_may_have_a_name(given: str, name: str, language: str) -> None:
    read = _with_names([_read_rule(given, "")])[0]

    assert (read["Name"], read["Language"]) == (name, language)


def test_a_rule_given_as_a_file_has_the_files_name(tmp_path: Path) -> None:
    file = tmp_path / "root-use.json"
    file.write_text('{"detail": {"userIdentity": {"type": ["Root"]}}}')

    plain, named = _read_rule(str(file), ""), _read_rule(f"mine={file}", "")

    assert (plain["Name"], named["Name"], plain["Rule"]) == ("root-use", "mine", file.read_text())
    with pytest.raises(OperatorError, match="no file"):
        _read_rule(str(tmp_path / "absent.json"), "")
    file.write_bytes(b"\xff")
    with pytest.raises(OperatorError, match="UTF-8"):
        _read_rule(str(file), "")


def test_two_rules_of_one_name_are_told_apart() -> None:
    rules = [_read_rule('a={ $.b = "c" }', ""), _read_rule('a={ $.b = "d" }', "")]

    assert [rule["Name"] for rule in _with_names(rules)] == ["a", "a'"]


def test_an_alarm_is_only_for_metric_filters() -> None:
    alarm = {"Threshold": 1.0}

    assert replay._metric({"Language": "sigma"}, alarm, "", "") == {}
    assert replay._metric({"Language": "filter-pattern"}, alarm, "2", "") == {"Alarm": alarm, "MetricValue": "2"}


def test_bars_always_show_what_is_there_and_are_full_at_the_most() -> None:
    assert bar_lines([0, 1, 1000], 1) == [" ▁█"]
    assert bar_lines([4, 8], 2) == [" █", "██"]
    assert bar_lines([], 1) == [""]


@pytest.mark.parametrize("days", [1 / 24, 1, 7, 90, 3653])
@pytest.mark.parametrize("bins", [10, 60, 480])
def test_a_histogram_has_at_most_so_many_bins_of_an_easy_length(days: float, bins: int) -> None:
    start, end = 1_763_640_123, 1_763_640_123 + int(days * 86_400)
    step = step_for(start, end, bins)
    slots = {second // 60 * 60: 1 for second in range(start, end, max(60, (end - start) // 500))}

    found = histogram_of(slots, start, end, step)
    fewer = found.at_most(10)

    assert len(found.counts) <= bins
    assert step % 60 == 0
    assert sum(found.counts) == sum(fewer.counts) == len(slots)
    assert len(fewer.counts) <= 10


def test_an_empty_histogram_stays_one() -> None:
    assert Histogram(0, 60, (0,)).at_most(10).counts == (0,)


def test_lengths_and_shares_are_said_in_few_words() -> None:
    assert [duration(seconds) for seconds in (0, 59, 3_700, 90_061)] == ["0 s", "59 s", "1 h 1 min", "1 d 1 h"]
    assert [share_words(share) for share in (0, 1e-9, 0.0001, 0.5, 1)] == [
        "0%",
        "under 0.001%",
        "0.010%",
        "50.0%",
        "100%",
    ]
