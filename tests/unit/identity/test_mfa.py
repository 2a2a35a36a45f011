"""One-time codes by RFC 6238: the right ones, once each, a little early or late, and not by guessing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from opentrail.identity.mfa import (
    LOCKED_FOR,
    MAX_WRONG_CODES,
    STEP_SECONDS,
    MfaDevice,
    code_at,
    is_locked,
    otpauth_uri,
    shared_secret,
    step_at,
    try_code,
)

RFC_SECRET = b"12345678901234567890"
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
DEVICE = MfaDevice("arn:aws:iam::123456789012:mfa/ann", "arn:aws:iam::123456789012:user/ann", RFC_SECRET, NOW)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_rfc_s_appendix(seconds: int, code: str) -> None:
    assert code_at(RFC_SECRET, seconds // STEP_SECONDS) == code


@pytest.mark.parametrize(("steps", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_may_be_one_step_early_or_late(steps: int, is_right: bool) -> None:
    code = code_at(RFC_SECRET, step_at(NOW) + steps)

    assert try_code(DEVICE, code, NOW)[1] is is_right


def test_a_code_is_right_once_and_spends_all_older_ones() -> None:
    device, first = try_code(DEVICE, code_at(RFC_SECRET, step_at(NOW)), NOW)
    device, again = try_code(device, code_at(RFC_SECRET, step_at(NOW)), NOW)
    device, older = try_code(device, code_at(RFC_SECRET, step_at(NOW) - 1), NOW)
    device, newer = try_code(device, code_at(RFC_SECRET, step_at(NOW) + 1), NOW)

    assert (first, again, older, newer) == (True, False, False, True)


def test_too_many_wrong_codes_lock_the_device_for_the_right_one_too() -> None:
    device = DEVICE
    for _ in range(MAX_WRONG_CODES):
        device, _ = try_code(device, "000000", NOW)
    right = code_at(RFC_SECRET, step_at(NOW))

    assert is_locked(device, NOW)
    assert try_code(device, right, NOW) == (device, False)

    later = NOW + LOCKED_FOR
    device, is_right = try_code(device, code_at(RFC_SECRET, step_at(later)), later)
    assert is_right
    assert device.wrong_codes == 0


def test_one_more_wrong_code_after_the_lock_locks_again() -> None:
    device = replace(DEVICE, wrong_codes=MAX_WRONG_CODES, wrong_at=NOW)

    device, _ = try_code(device, "000000", NOW + LOCKED_FOR)

    assert is_locked(device, NOW + LOCKED_FOR + timedelta(seconds=1))


@pytest.mark.parametrize("code", ["", "12345", "1234567", "28708２", "abcdef", "\ud800"])
def test_what_is_no_code_is_wrong(code: str) -> None:
    with_code_in_force = datetime.fromtimestamp(59, UTC)

    assert try_code(DEVICE, code.encode("utf-8", "replace").decode(), with_code_in_force)[1] is False


def test_authenticators_are_told_the_secret_as_base32() -> None:
    uri = urlsplit(otpauth_uri(DEVICE, "ann@123456789012"))

    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Opentrail:ann@123456789012")
    assert parse_qs(uri.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["Opentrail"],
    }
    assert shared_secret(replace(DEVICE, secret=b"12345")) == "GEZDGNBV"


def test_the_secret_is_not_in_the_repr() -> None:
    assert "1234567890123" not in repr(DEVICE)[len("MfaDevice(arn:aws:iam::123456789012") :]
    assert "secret" not in repr(DEVICE)
