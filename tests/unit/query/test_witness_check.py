"""What a witness's word means for each digest: bounds through the chain, contradictions, what is late or missing."""

from datetime import datetime, timedelta
from typing import Any

from opentrail.digest.statement import Statement
from opentrail.digest.verification import ReadDigest
from opentrail.ports.witness import Testimony
from opentrail.query.witness_check import WitnessFinding, WitnessVerdict, judge
from tests.builders import NOON
from tests.support.delivery import HOUR

DAY = timedelta(days=1)


def a_digest(number: int, **members: Any) -> ReadDigest:
    """Digest ``number`` of a chain, ending that many hours after noon."""
    end = NOON + number * HOUR
    values: dict[str, Any] = {
        "digestPublicKeyFingerprint": "cd" * 16,
        "digestStartTime": (end - HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "digestEndTime": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "previousDigestS3Bucket": "logs",
        "previousDigestS3Object": f"digest-{number - 1}",
        "previousDigestHashValue": f"hash-{number - 1}",
        "previousDigestSignature": f"signature-{number - 1}",
    }
    return ReadDigest("logs", f"digest-{number}", values | members, b"", f"hash-{number}", f"signature-{number}", "")


def said(number: int, at: datetime, **changes: Any) -> Testimony:
    digest = a_digest(number)
    values: dict[str, Any] = {
        "bucket": "logs",
        "key": digest.key,
        "sha256": digest.sha256,
        "signature": digest.signature,
        "fingerprint": digest.fingerprint,
        "start_time": digest.start_time,
        "end_time": digest.end_time,
    }
    return Testimony(Statement(**(values | changes)), at, "the witness")


def verdicts(findings: list[WitnessFinding]) -> dict[str, WitnessVerdict]:
    return {finding.key: finding.verdict for finding in findings}


def test_a_digest_that_was_told_in_time_is_attested() -> None:
    [finding] = judge([a_digest(1)], [said(1, NOON + 2 * HOUR)], NOON + DAY)

    assert finding.is_sound
    assert (finding.verdict, finding.existed_by) == (WitnessVerdict.ATTESTED, NOON + 2 * HOUR)
    assert "existed by 2026-11-20T14:00:00Z" in finding.text()


def test_the_earliest_word_bounds_the_age() -> None:
    [finding] = judge([a_digest(1)], [said(1, NOON + 5 * DAY), said(1, NOON + 2 * HOUR)], NOON + 9 * DAY)

    assert finding.existed_by == NOON + 2 * HOUR


def test_a_later_digest_vouches_for_all_that_it_follows() -> None:
    digests = [a_digest(number) for number in (1, 2, 3)]

    findings = judge(digests, [said(3, NOON + 4 * HOUR)], NOON + 9 * DAY)

    assert [finding.key for finding in findings] == ["digest-3", "digest-2", "digest-1"]
    assert {finding.verdict for finding in findings} == {WitnessVerdict.ATTESTED}
    assert {finding.existed_by for finding in findings} == {NOON + 4 * HOUR}


def test_a_later_digest_vouches_only_for_the_hash_and_signature_that_it_names() -> None:
    for broken in ({"previousDigestHashValue": "other"}, {"previousDigestSignature": "other"}):
        digests = [a_digest(1), a_digest(2, **broken)]

        findings = judge(digests, [said(2, NOON + 3 * HOUR)], NOON + 9 * DAY)

        assert verdicts(findings)["digest-1"] is WitnessVerdict.NOT_ATTESTED


def test_a_young_digest_is_not_attested_yet_and_an_old_one_is_not_attested() -> None:
    [young] = judge([a_digest(1)], [], NOON + DAY)
    [old] = judge([a_digest(1)], [], NOON + 2 * DAY)

    assert (young.verdict, young.is_sound) == (WitnessVerdict.NOT_YET, True)
    assert (old.verdict, old.is_sound) == (WitnessVerdict.NOT_ATTESTED, False)


def test_what_was_told_too_late_proves_too_little() -> None:
    [finding] = judge([a_digest(1)], [said(1, NOON + 3 * DAY)], NOON + 9 * DAY)
    [patient] = judge([a_digest(1)], [said(1, NOON + 3 * DAY)], NOON + 9 * DAY, late_after=4 * DAY)

    assert (finding.verdict, finding.is_sound) == (WitnessVerdict.LATE, False)
    assert patient.verdict is WitnessVerdict.ATTESTED


def test_anything_that_differs_is_a_contradiction_whatever_else_was_said() -> None:
    changes: list[dict[str, Any]] = [
        {"signature": "other"},
        {"sha256": "other"},
        {"fingerprint": "other"},
        {"start_time": NOON - HOUR},
        {"end_time": NOON},
    ]
    for change in changes:
        told = [said(1, NOON + 2 * HOUR), said(1, NOON + 3 * HOUR, **change)]

        [finding] = judge([a_digest(1)], told, NOON + DAY)

        assert finding.verdict is WitnessVerdict.CONTRADICTED
        assert not finding.is_sound
        assert "the witness has another" in finding.detail


def test_a_digest_that_only_the_witness_knows_is_missing_once_its_delivery_had_time() -> None:
    told = [said(1, NOON + HOUR), said(2, NOON + 2 * HOUR)]

    at_once = judge([a_digest(1)], told, NOON + 2 * HOUR + timedelta(minutes=1))
    later = judge([a_digest(1)], told, NOON + 3 * HOUR)

    assert verdicts(at_once) == {"digest-1": WitnessVerdict.ATTESTED}
    assert verdicts(later) == {"digest-1": WitnessVerdict.ATTESTED, "digest-2": WitnessVerdict.MISSING}


def test_a_contradicted_digest_vouches_for_nothing() -> None:
    told = [said(2, NOON + 3 * HOUR, signature="other")]

    findings = judge([a_digest(1), a_digest(2)], told, NOON + 9 * DAY)

    assert verdicts(findings) == {
        "digest-1": WitnessVerdict.NOT_ATTESTED,
        "digest-2": WitnessVerdict.CONTRADICTED,
    }


def test_a_finding_for_machines_names_what_it_knows() -> None:
    [finding] = judge([a_digest(1)], [said(1, NOON + 2 * HOUR)], NOON + DAY)

    assert finding.to_json() == {
        "kind": "witness",
        "verdict": "attested",
        "bucket": "logs",
        "key": "digest-1",
        "end_time": "2026-11-20T13:00:00Z",
        "existed_by": "2026-11-20T14:00:00Z",
        "detail": "the witness",
    }
