"""Calls of our own API by the installation itself, in the name of a role that trusts CloudTrail.

The role's policies judge each call, and each is on record with the session's identity, as any client's are.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import orjson

from opentrail import __version__
from opentrail.arn import Arn
from opentrail.aws.service import ApiPorts
from opentrail.aws.sts.sessions import new_session
from opentrail.clock import format_time
from opentrail.event.encoding import encode_event
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.identity import Principal, PrincipalType, Role, SessionContext
from opentrail.pipeline.log_destination import role_of, trusts_cloudtrail
from opentrail.ports import Unavailable
from opentrail.ports.aws_api import CallRefused
from opentrail.ports.journal import EventEntry, JournalWriter
from opentrail.protocol.sigv4 import sign
from opentrail.record.service_events import OWN_SOURCE, assumed_role_event

SESSION_NAME = "opentrail-guard"
SESSION_SECONDS = 900

_TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"
_SERVER_FAULT = 500


class RoleCalls:
    """Implements RoleApi over the server's own ``handle``."""

    def __init__(
        self, ports: ApiPorts, journal: JournalWriter, handle: Callable[[HttpRequest], Awaitable[HttpResponse]]
    ) -> None:
        self._ports = ports
        self._journal = journal
        self._handle = handle

    async def call(self, role_arn: str, region: str, operation: str, parameters: Mapping[str, Any]) -> None:
        credentials = await self._assume(role_arn, region)
        request = HttpRequest(
            method="POST",
            target="/",
            header_list=(
                ("Host", OWN_SOURCE),
                ("Content-Type", "application/x-amz-json-1.1"),
                ("X-Amz-Target", f"{_TARGET}.{operation}"),
                ("User-Agent", f"{SESSION_NAME}/{__version__}"),
            ),
            body=orjson.dumps(parameters),
            peer=OWN_SOURCE,
        )
        signed = sign(
            request,
            access_key_id=credentials["AccessKeyId"],
            secret_access_key=credentials["SecretAccessKey"],
            session_token=credentials["SessionToken"],
            region=region,
            signing_name="cloudtrail",
            now=self._ports.clock.now(),
        )
        _judge(operation, await self._handle(signed))

    async def _assume(self, role_arn: str, region: str) -> Mapping[str, Any]:
        role = await role_of(self._ports.identities, role_arn)
        if role is None:
            raise CallRefused("AssumeRole", "NoSuchEntity", f"there is no role {role_arn}")
        if not trusts_cloudtrail(role):
            raise CallRefused("AssumeRole", "AccessDenied", f"{role_arn} does not trust {OWN_SOURCE}")
        now = self._ports.clock.now()
        principal = _session_principal(role, now)
        session = new_session(self._ports, principal, now, SESSION_SECONDS)
        event = assumed_role_event(
            region,
            now,
            role_arn=role.arn,
            session_arn=principal.arn,
            session_id=principal.principal_id,
            access_key_id=session.credentials["AccessKeyId"],
            expiration=format_time(session.credentials["Expiration"]),
            event_id=self._ports.identifiers.uuid(),
            request_id=self._ports.identifiers.uuid(),
        )
        await self._journal.append([EventEntry(encode_event(event))])
        await session.keep()
        return session.credentials


def _session_principal(role: Role, now: datetime) -> Principal:
    return Principal(
        type=PrincipalType.ASSUMED_ROLE,
        principal_id=f"{role.role_id}:{SESSION_NAME}",
        arn=f"arn:{Arn.parse(role.arn).partition}:sts::{role.account_id}:assumed-role/{role.name}/{SESSION_NAME}",
        account_id=role.account_id,
        session=SessionContext(
            created_at=now.replace(microsecond=0),
            issuer_type="Role",
            issuer_principal_id=role.role_id,
            issuer_arn=role.arn,
            issuer_account_id=role.account_id,
            issuer_user_name=role.name,
        ),
    )


def _judge(operation: str, response: HttpResponse) -> None:
    """Raise the port's error for any answer but a success."""
    if response.status < 300:
        return
    try:
        told = orjson.loads(response.body or b"{}")
    except orjson.JSONDecodeError:
        told = {}
    code, message = str(told.get("__type", response.status)), str(told.get("message", told.get("Message", "")))
    if response.status >= _SERVER_FAULT:
        raise Unavailable(f"{operation} was answered {code}: {message}")
    raise CallRefused(operation, code, message)
