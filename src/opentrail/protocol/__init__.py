"""AWS wire protocols, server side: bytes <-> service, operation and parameters, and SigV4.

Pure: everything is computed from botocore's service models and the bytes at hand.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

Parameters = dict[str, Any]
"""An operation's input or output by the service model's member names: str, int, float, bool, bytes, aware datetime,
list, dict; None never occurs (an absent member is absent)."""


class Operation(NamedTuple):
    """One operation of one service: botocore's service name (``s3``) and the model's operation name (``PutObject``)."""

    service: str
    name: str


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """What a signed request claims about its signer, read without verifying it.

    ``signing_name`` is the scope's service; ``region`` is empty where the scheme has none (SigV4A, presigned v2).
    ``signed_at`` is None for presigned v2. ``session_token`` is the security token sent along ("" without one).
    """

    access_key_id: str
    region: str
    signing_name: str
    scheme: str
    signed_at: datetime | None
    is_presigned: bool
    session_token: str = ""


@dataclass(frozen=True, slots=True)
class ObservedResult:
    """What a response says: its output, or its error. ``error_code`` is empty on success."""

    output: Parameters
    error_code: str
    error_message: str
    request_id: str
