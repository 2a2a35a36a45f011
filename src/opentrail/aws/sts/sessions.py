"""Temporary credentials: how they are made and kept, and how long they may last."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import ApiPorts, Effect
from opentrail.aws.sts.errors import MalformedPolicyDocumentException, PackedPolicyTooLargeException
from opentrail.clock import Identifiers
from opentrail.identity import Credential, Principal
from opentrail.policy.document import MalformedPolicy, PolicyKind, parse_policy
from opentrail.protocol import Parameters

CHAINED_SESSION_SECONDS = 3600
"""A role assumed with another role's credentials lasts an hour at most."""
ROOT_SESSION_SECONDS = 3600
USER_SESSION_SECONDS = 43_200
SESSION_POLICY_MAX_CHARACTERS = 2048
"""STS's bound of an inline session policy."""

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


def checked_policy(text: str) -> str:
    """Return an inline session policy; raises STS's errors when it is too long or no policy."""
    if len(text) > SESSION_POLICY_MAX_CHARACTERS:
        raise PackedPolicyTooLargeException(SESSION_POLICY_MAX_CHARACTERS)
    if text:
        try:
            parse_policy(text, PolicyKind.IDENTITY)
        except MalformedPolicy as error:
            raise MalformedPolicyDocumentException(str(error)) from error
    return text


def refuse_unsupported(parameters: Parameters) -> None:
    """Raise ValidationFailed for members that would change what a session may do, and that no session here honours."""
    for member in ("PolicyArns", "Tags", "TransitiveTagKeys", "ProvidedContexts"):
        if parameters.get(member):
            raise ValidationFailed(f"{member} is not supported by this installation.")


def _token(identifiers: Identifiers, length: int) -> str:
    return _TOKEN_PREFIX + identifiers.token(length - len(_TOKEN_PREFIX), _SECRET_ALPHABET)
