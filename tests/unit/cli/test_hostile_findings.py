"""What lies in a bucket is named by whoever may write there: no name steers a terminal, feigns a line, or runs."""

from datetime import UTC, datetime

import pytest

from opentrail.cli.html_report import HtmlReport
from opentrail.cli.timeline import Timeline
from opentrail.cli.validation import Report
from opentrail.cli.witnesses import WitnessReport
from opentrail.digest.verdicts import Finding, FindingKind, ValidationSummary
from opentrail.query.validation_request import ValidationRequest
from opentrail.query.witness_check import WitnessFinding, WitnessVerdict

START, END = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
HOSTILE = 'x\x1b]0;owned\x07\r\nLog file\ts3://b/k\tvalid\u202e\x9b2J<script>alert(1)</script>"&'
UNSEEN = set(map(chr, range(32))) | {"\x7f", "\x9b", "\u202e"}


def a_finding(key: str = HOSTILE, verdict: str = HOSTILE) -> Finding:
    return Finding(FindingKind.FILE_CONCERN, verdict, "bucket", key)


def test_a_hostile_name_stays_in_its_line_and_its_column() -> None:
    text = a_finding(verdict="no digest lists it").text()

    assert len(text.split("\t")) == 3
    assert not UNSEEN - {"\t"} & set(text)
    assert text.endswith("\tCONCERN: no digest lists it")


def test_a_plain_name_is_printed_as_it_is() -> None:
    assert a_finding("a b/ü.json.gz", "v").text() == "Log file\ts3://bucket/a b/ü.json.gz\tCONCERN: v"


def test_what_is_printed_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(verbose=True, as_json=False)

    report.add(a_finding())

    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert not UNSEEN - {"\t", "\n"} & set(printed.err + printed.out)


def test_the_page_escapes_what_comes_from_the_bucket() -> None:
    arn = f"arn:aws:cloudtrail:us-east-1:123456789012:trail/main{HOSTILE}"
    request = ValidationRequest(arn, "us-east-1", START, END, "bucket", HOSTILE)
    page = HtmlReport(request, HOSTILE, Timeline(START, END))
    page.add(a_finding())

    told = WitnessReport(HOSTILE)
    told.add(WitnessFinding(WitnessVerdict.CONTRADICTED, "bucket", HOSTILE, END, END, HOSTILE))

    text = page.page(ValidationSummary(START, END), END, [told])

    assert "<script" not in text
    witnesses, rows = text.split("<tbody>")[1:]
    assert (witnesses.count("&lt;script&gt;"), rows.count("&lt;script&gt;")) == (1, 5)
    assert not UNSEEN - {"\n"} & set(witnesses + rows)
