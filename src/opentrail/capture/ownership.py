"""Whose a call is: Opentrail's own services', or the upstream's (docs/architecture.md, "Whose is it")."""

from collections.abc import Collection
from enum import Enum, auto
from urllib.parse import parse_qsl, unquote

from opentrail.arn import Arn
from opentrail.http_message import HttpRequest
from opentrail.ports.archives import Archives
from opentrail.ports.identity_store import IdentityStore
from opentrail.protocol import CredentialScope, Operation
from opentrail.protocol.scope import query_values

ALWAYS_OWN = frozenset({"cloudtrail", "cloudtrail-data"})
"""Services that no upstream is ever asked for, by signing name."""

OWN_UNLESS_SET = frozenset({"logs", "events", "kms", "monitoring", "sns", "athena", "organizations"})
"""Services that are ours as long as the operator names no ``upstream.<service>``, by signing name."""

_SIGNING_NAMES = {"cloudwatch": "monitoring"}
"""botocore's names of services of ours, where the signing name differs."""


_ROLE_ARN = frozenset({"RoleArn"})


class Owner(Enum):
    """Who answers a call."""

    OWN = auto()
    UPSTREAM = auto()


class Ownership:
    """Decides by service, bucket and key. ``upstream_services`` are the services that the operator gave an upstream,
    by signing name or botocore's name. Where there is no upstream at all, S3 is ours whatever the bucket, so that
    archives are listed and others are said to be missing."""

    def __init__(
        self,
        archives: Archives,
        identities: IdentityStore,
        upstream_services: Collection[str] = (),
        *,
        has_upstream: bool = True,
    ) -> None:
        self._archives = archives
        self._has_upstream = has_upstream
        self._identities = identities
        self._upstream_services = frozenset(_SIGNING_NAMES.get(service, service) for service in upstream_services)

    async def owner(self, request: HttpRequest, operation: Operation | None, scope: CredentialScope | None) -> Owner:
        """Return who answers ``request``; asked again once the body is held, where the body decides (STS).

        Unsigned requests are judged by their operation alone. Raises Unavailable when a key cannot be looked up.
        """
        decided = self.owner_at_once(request, operation, scope)
        return await self._sts_owner(request, operation, scope) if decided is None else decided

    def owner_at_once(
        self, request: HttpRequest, operation: Operation | None, scope: CredentialScope | None
    ) -> Owner | None:
        """Return what ``owner`` does, None when keys and roles decide and must be looked up."""
        service = _service(operation, scope)
        if service in ALWAYS_OWN:
            return Owner.OWN
        if service in self._upstream_services:
            return Owner.UPSTREAM
        if service in OWN_UNLESS_SET:
            return Owner.OWN
        if service == "s3" and not self._has_upstream:
            return Owner.OWN
        if service == "s3" or (not service and operation is None):
            return Owner.OWN if self._names_archive(request) else Owner.UPSTREAM
        return None if service == "sts" else Owner.UPSTREAM

    def _names_archive(self, request: HttpRequest) -> bool:
        """Say whether an S3 request names an archive, path style or virtual-host style."""
        bucket = request.path[1:].partition("/")[0]
        bucket = unquote(bucket) if "%" in bucket else bucket
        if bucket and self._archives.get(bucket) is not None:
            return True
        label, dot, _ = request.host.partition(".s3")
        return bool(dot and label) and self._archives.get(label) is not None

    async def _sts_owner(
        self, request: HttpRequest, operation: Operation | None, scope: CredentialScope | None
    ) -> Owner:
        """Keys and roles we know are ours. An imported key is the upstream's too, so there the named role decides."""
        role = _role_arn(request)
        if role and await self._knows_role(role):
            return Owner.OWN
        credential = await self._identities.credential(scope.access_key_id) if scope is not None else None
        if credential is None:
            return Owner.UPSTREAM
        is_upstream_call = operation is not None and operation.name != "GetCallerIdentity"
        return Owner.UPSTREAM if credential.is_imported and is_upstream_call else Owner.OWN

    async def _knows_role(self, role_arn: str) -> bool:
        try:
            arn = Arn.parse(role_arn)
        except ValueError:
            return False
        kind, _, name = arn.resource.partition("/")
        if kind != "role" or not name:
            return False
        role = await self._identities.role(arn.account_id, name.rpartition("/")[2])
        return role is not None and role.arn == role_arn


def _service(operation: Operation | None, scope: CredentialScope | None) -> str:
    """Return the signing name that decides; the signed scope counts before what the operation looks like."""
    if scope is not None and scope.signing_name:
        return scope.signing_name
    return _SIGNING_NAMES.get(operation.service, operation.service) if operation is not None else ""


def _role_arn(request: HttpRequest) -> str:
    """Return the RoleArn parameter of a query-protocol request; empty when there is none."""
    role_arn = query_values(request.raw_query, _ROLE_ARN).get("RoleArn", "")
    if role_arn:
        return role_arn
    body = request.body or b""
    if b"RoleArn=" not in body:
        return ""
    try:
        fields = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=1000)
    except ValueError:
        return ""
    return next((value for name, value in fields if name == "RoleArn"), "")
