"""What the witnesses said, in the report of a validation."""

from datetime import UTC, datetime, timedelta

from opentrail.cli.html_report import HtmlReport
from opentrail.cli.timeline import Timeline
from opentrail.cli.witnesses import WitnessReport
from opentrail.digest.verdicts import VALID, Finding, FindingKind, ValidationSummary
from opentrail.query.validation_request import ValidationRequest
from opentrail.query.witness_check import WitnessFinding, WitnessVerdict

START = datetime(2026, 6, 1, tzinfo=UTC)
END = START + timedelta(days=1)
REQUEST = ValidationRequest("arn:aws:cloudtrail:us-east-1:123456789012:trail/a", "us-east-1", START, END, "logs")


def told(name: str, *verdicts: WitnessVerdict) -> WitnessReport:
    report = WitnessReport(name)
    for number, verdict in enumerate(verdicts):
        report.add(WitnessFinding(verdict, "logs", f"<d{number}>", END, END, "kept at <b>"))
    return report


def page(*witnesses: WitnessReport) -> str:
    summary = ValidationSummary(START, END)
    summary.add(Finding(FindingKind.DIGEST, VALID, "logs", "d0"))
    return HtmlReport(REQUEST, "a file", Timeline(START, END)).page(summary, END, witnesses)


def test_every_witness_has_its_count_of_each_verdict_that_was_given() -> None:
    attested, late = WitnessVerdict.ATTESTED, WitnessVerdict.LATE

    text = page(told("<vault>", attested, attested), told("clock", attested, late))

    assert "<th>Witness</th><th>attested</th><th>attested too late</th></tr>" in text
    assert "<td>&lt;vault&gt;</td><td>2</td><td>0</td>" in text
    assert '<td>clock</td><td>1</td><td><span class="bad-word">1</span></td>' in text


def test_what_a_witness_says_against_a_digest_is_a_finding_in_its_name() -> None:
    text = page(told("vault", WitnessVerdict.ATTESTED, WitnessVerdict.CONTRADICTED))

    assert "witnesses contradict 1 digests" in text
    assert "s3://logs/&lt;d1&gt;" in text
    assert "contradicted; existed by 2026-06-02T00:00:00Z; kept at &lt;b&gt;" in text
    assert "So says the witness vault." in text
    assert "&lt;d0&gt;" not in text


def test_sound_witnesses_leave_the_verdict_and_none_at_all_is_said() -> None:
    assert "Nothing was altered." in page(told("vault", WitnessVerdict.ATTESTED, WitnessVerdict.NOT_YET))
    assert "None was asked." in page()
    assert "No witness was asked." in page()
