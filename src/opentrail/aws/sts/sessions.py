"""Temporary credentials: how they are made and kept, and how long they may last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.service import ApiPorts, Effect
from opentrail.clock import Identifiers
from opentrail.identity import Credential, Principal
from opentrail.protocol import Parameters

CHAINED_SESSION_SECONDS = 3600
"""A role assumed with another role's credentials lasts an hour at most."""
ROOT_SESSION_SECONDS = 3600
USER_SESSION_SECONDS = 43_200

_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SECRET_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"  # noqa: S105 - an alphabet
_TOKEN_PREFIX = "IQoJb3JpZ2luX2VjE"  # noqa: S105 - how clients recognise a token; it means nothing
_TOKEN_LENGTH = 400
"""Characters of a session token. It is opaque and unguessable; nothing is encoded in it."""


@dataclass(frozen=True, slots=True)
class Session:
    """A new temporary credential in wire form, and the effect that keeps it."""

    credentials: Parameters
    token_size_bytes: int
    keep: Effect


def new_session(
    ports: ApiPorts,
    principal: Principal,
    now: datetime,
    seconds: int,
    *,
    session_policy: str = "",
    min_token_length: int = 0,
) -> Session:
    """Make temporary credentials of ``principal`` that end ``seconds`` after ``now`` (cut to the second)."""
    credential = Credential(
        access_key_id="ASIA" + ports.identifiers.token(16, _KEY_ALPHABET),
        secret_access_key=ports.identifiers.token(40, _SECRET_ALPHABET),
        principal=principal,
        session_token=_token(ports.identifiers, max(_TOKEN_LENGTH, min_token_length)),
        expires_at=(now + timedelta(seconds=seconds)).replace(microsecond=0),
        session_policy=session_policy,
    )

    async def keep() -> None:
        await ports.identities.add_credential(credential)

    members: Parameters = {
        "AccessKeyId": credential.access_key_id,
        "SecretAccessKey": credential.secret_access_key,
        "SessionToken": credential.session_token,
        "Expiration": credential.expires_at,
    }
    return Session(members, len(credential.session_token), keep)


def refuse_mfa(parameters: Parameters) -> None:
    """Raise AccessDenied when an MFA device is named: no user here has one, so no code can be right."""
    if parameters.get("SerialNumber") or parameters.get("TokenCode"):
        raise AccessDenied(
            "MultiFactorAuthentication failed, unable to validate MFA code. Please verify your MFA serial number is "
            "valid and associated with this user."
        )


def _token(identifiers: Identifiers, length: int) -> str:
    return _TOKEN_PREFIX + identifiers.token(length - len(_TOKEN_PREFIX), _SECRET_ALPHABET)
