"""Virtual MFA devices: one-time codes by time (RFC 6238: HMAC-SHA-1, 6 digits, steps of 30 seconds, from 1970).

Nothing here reads a clock or keeps anything: a device and a code come in, the device as it is afterwards and the
verdict come out. Whoever stores devices must do both in one transaction, so that no code is accepted twice.
"""

import hashlib
import hmac
from base64 import b32encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

SECRET_BYTES = 20
"""Length of a device's secret: that of the hash, as RFC 4226 section 4 (R6) recommends."""

STEP_SECONDS = 30
CODE_DIGITS = 6

SKEW_STEPS = 1
"""Codes of so many steps before and after the present one are taken: clocks differ and people type slowly."""

MAX_WRONG_CODES = 5
"""After so many wrong codes in a row a device takes none until LOCKED_FOR has passed since the last; then each further
wrong one locks it again. Who guesses on hits one of the three codes in force about once in nine years."""

LOCKED_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class MfaDevice:
    """A user's virtual MFA device, its secret in the clear, in memory only.

    ``last_step`` is the newest time step whose code was accepted: that code and all older ones are spent.
    """

    serial_number: str
    user_arn: str
    secret: bytes
    enabled_at: datetime
    last_step: int = -1
    wrong_codes: int = 0
    wrong_at: datetime | None = None

    def __repr__(self) -> str:
        return f"MfaDevice({self.serial_number})"


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a time step (RFC 4226 section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**CODE_DIGITS).zfill(CODE_DIGITS)


def step_at(moment: datetime) -> int:
    """Return the time step that ``moment`` falls into."""
    return int(moment.timestamp()) // STEP_SECONDS


def try_code(device: MfaDevice, code: str, now: datetime) -> tuple[MfaDevice, bool]:
    """Return the device after an attempt, and whether ``code`` is right; a locked device takes no code at all.

    A code is right once: one of its step or an earlier one is wrong from then on.
    """
    if is_locked(device, now):
        return device, False
    present = step_at(now)
    accepted = -1
    for step in range(max(0, present - SKEW_STEPS), present + SKEW_STEPS + 1):
        # Every candidate is compared, in constant time each, so that the time taken says nothing.
        if hmac.compare_digest(code_at(device.secret, step).encode(), code.encode()) and step > device.last_step:
            accepted = max(accepted, step)
    if accepted < 0:
        return replace(device, wrong_codes=device.wrong_codes + 1, wrong_at=now), False
    return replace(device, last_step=accepted, wrong_codes=0, wrong_at=None), True


def is_locked(device: MfaDevice, now: datetime) -> bool:
    """Say whether too many wrong codes came in a row, the last not long ago."""
    return device.wrong_codes >= MAX_WRONG_CODES and device.wrong_at is not None and now < device.wrong_at + LOCKED_FOR


def shared_secret(device: MfaDevice) -> str:
    """Return the secret as people type it into an authenticator: base32 without padding."""
    return b32encode(device.secret).decode().rstrip("=")


def otpauth_uri(device: MfaDevice, label: str) -> str:
    """Return the key URI that authenticators read (from a QR code); ``label`` is what they show beside the code.

    Hash, digits and step are those that authenticators take when nothing is said, and so are left out.
    """
    return f"otpauth://totp/Opentrail:{quote(label, safe='@')}?secret={shared_secret(device)}&issuer=Opentrail"
