"""Connections: create, describe, list, update, deauthorize, delete (reference: eventbridge, section 5).

What authorizes a connection goes sealed into its store and is shown by no operation.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.errors import (
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from opentrail.aws.events.paging import page_of
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.outgoing.endpoint import UnusableUrl, parse_endpoint
from opentrail.resource.api_destination import AuthorizationType, Connection, ConnectionState, connection_arn

CONNECTIONS_PER_REGION = 3_000
"""EventBridge's quota, for one account."""

_INVOCATION = "InvocationHttpParameters"
_UNSUPPORTED = ("InvocationConnectivityParameters", "KmsKeyIdentifier")
_NEEDED = {
    AuthorizationType.BASIC: ("Username", "Password"),
    AuthorizationType.API_KEY: ("ApiKeyName", "ApiKeyValue"),
    AuthorizationType.OAUTH: ("ClientParameters", "AuthorizationEndpoint", "HttpMethod"),
}
_SHOWN = frozenset({"Username", "ApiKeyName", "AuthorizationEndpoint", "HttpMethod"})

Wire = Mapping[str, Any]


async def create_connection(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a connection; one of the type OAUTH is authorized after the answer."""
    given = call.parameters
    _check_supported(given)
    if await ports.connections.named(call.account_id, call.region, given["Name"]) is not None:
        raise ResourceAlreadyExistsException.connection(given["Name"])
    if len(await ports.connections.all(call.account_id, call.region)) >= CONNECTIONS_PER_REGION:
        raise LimitExceededException
    kind = AuthorizationType(given["AuthorizationType"])
    now = ports.clock.now()
    connection = Connection(
        arn=connection_arn(call.region, call.account_id, given["Name"], ports.identifiers.uuid()),
        name=given["Name"],
        account_id=call.account_id,
        region=call.region,
        authorization_type=kind,
        state=ConnectionState.AUTHORIZED,
        created_at=now,
        modified_at=now,
        revision="",
        description=given.get("Description", ""),
    )
    return _authorized(ports, connection, _complete(kind, given["AuthParameters"], {}))


async def update_connection(ports: ApiPorts, call: Call) -> Outcome:
    """Plan other settings of a connection; what is not given stays as it was."""
    given = call.parameters
    _check_supported(given)
    before = await _named(ports, call)
    changed = replace(
        before,
        description=given.get("Description", before.description),
        authorization_type=AuthorizationType(given.get("AuthorizationType", before.authorization_type)),
        modified_at=ports.clock.now(),
    )
    if "AuthParameters" not in given and changed.authorization_type is before.authorization_type:
        return Outcome(_told(changed), after=lambda: ports.connections.put(changed, None))
    kept = orjson.loads(await ports.connections.secrets(before) or b"{}")
    return _authorized(ports, changed, _complete(changed.authorization_type, given.get("AuthParameters", {}), kept))


def _authorized(ports: ApiPorts, connection: Connection, parameters: dict[str, Any]) -> Outcome:
    is_asked_for = connection.authorization_type is AuthorizationType.OAUTH
    changed = replace(
        connection,
        state=ConnectionState.AUTHORIZING if is_asked_for else ConnectionState.AUTHORIZED,
        state_reason="",
        authorized_at=connection.authorized_at if is_asked_for else connection.modified_at,
        revision=ports.identifiers.uuid(),
        shown=_shown_parameters(parameters),
    )
    return Outcome(_told(changed), after=partial(ports.connections.put, changed, orjson.dumps(parameters)))


async def describe_connection(ports: ApiPorts, call: Call) -> Outcome:
    """Show one connection, without its secrets."""
    connection = await _named(ports, call)
    more = {"Description": connection.description} if connection.description else {}
    return Outcome(_listed(connection) | more | {"AuthParameters": connection.shown})


async def list_connections(ports: ApiPorts, call: Call) -> Outcome:
    """List the connections of account and Region by name."""
    prefix, state = call.parameters.get("NamePrefix", ""), call.parameters.get("ConnectionState", "")
    found = [
        connection
        for connection in await ports.connections.all(call.account_id, call.region)
        if connection.name.startswith(prefix) and state in ("", connection.state)
    ]
    page, token = page_of(call, found, lambda connection: connection.name)
    return Outcome({"Connections": [_listed(connection) for connection in page], **token})


async def deauthorize_connection(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a connection's secrets are erased; it stays, for new ones."""
    bare = replace(
        await _named(ports, call),
        state=ConnectionState.DEAUTHORIZED,
        state_reason="",
        modified_at=ports.clock.now(),
        revision=ports.identifiers.uuid(),
        shown={},
    )
    return Outcome(_told(bare), after=lambda: ports.connections.put(bare, b""))


async def delete_connection(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a connection; API destinations that call with it are inactive then."""
    connection = await _named(ports, call)
    output = _told(connection) | {"ConnectionState": "DELETING"}
    return Outcome(output, after=lambda: ports.connections.delete(connection.arn))


async def _named(ports: ApiPorts, call: Call) -> Connection:
    name = call.parameters["Name"]
    found = await ports.connections.named(call.account_id, call.region, name)
    if found is None:
        raise ResourceNotFoundException.connection(name)
    return found


def _check_supported(given: Wire) -> None:
    for member in _UNSUPPORTED:
        if given.get(member):
            raise ValidationFailed(f"{member} is not supported by this installation.")
    if "ConnectivityParameters" in given.get("AuthParameters", {}):
        raise ValidationFailed("ConnectivityParameters is not supported by this installation.")


def _complete(kind: AuthorizationType, given: Wire, kept: Wire) -> dict[str, Any]:
    """Return AuthParameters for a type: what is given, over what is kept. Raises ValidationException."""
    others = [other.member for other in AuthorizationType if other is not kind and other.member in given]
    if others:
        raise ValidationFailed(f"{others[0]} is not for the authorization type {kind}.")
    own = _over(kept.get(kind.member, {}), given.get(kind.member, {}))
    clients = own.get("ClientParameters", {})
    missing = [name for name in _NEEDED[kind] if name not in own]
    missing += [name for name in ("ClientID", "ClientSecret") if "ClientParameters" in own and name not in clients]
    if missing:
        raise ValidationFailed(f"{kind.member} of the authorization type {kind} must have: {', '.join(missing)}.")
    if kind is AuthorizationType.OAUTH:
        check_endpoint("AuthorizationEndpoint", own["AuthorizationEndpoint"])
    invocation = _over(kept, given).get(_INVOCATION)
    return {kind.member: own} | ({_INVOCATION: invocation} if invocation else {})


def _over(kept: Wire, given: Wire) -> dict[str, Any]:
    """Return ``given`` over ``kept``; an entry of a list that is given without Value keeps the one of its Key."""
    merged = dict(kept) | dict(given)
    for name in kept.keys() & given.keys():
        if isinstance(given[name], dict):
            merged[name] = _over(kept[name], given[name])
        elif isinstance(given[name], list):
            values = {entry.get("Key"): entry.get("Value", "") for entry in kept[name]}
            merged[name] = [{"Value": values.get(entry.get("Key"), "")} | entry for entry in given[name]]
    return merged


def _shown_parameters(parameters: Wire) -> dict[str, Any]:
    """Return AuthParameters without their secrets."""
    shown: dict[str, Any] = {}
    for name, value in parameters.items():
        if name.endswith("HttpParameters"):
            shown[name] = {kind: [_shown_entry(entry) for entry in entries] for kind, entries in value.items()}
        elif isinstance(value, dict):
            shown[name] = {"ClientID": value["ClientID"]} if name == "ClientParameters" else _shown_parameters(value)
        elif name in _SHOWN:
            shown[name] = value
    return shown


def _shown_entry(entry: Wire) -> dict[str, Any]:
    is_secret = entry.get("IsValueSecret", False)
    shown = {name: value for name, value in entry.items() if name != "Value" or not is_secret}
    return shown | {"IsValueSecret": is_secret}


def check_endpoint(member: str, url: str) -> None:
    """Raise ValidationException unless ``url`` can be called; whether it may be is judged with every call."""
    try:
        endpoint = parse_endpoint(url)
    except UnusableUrl as error:
        raise ValidationFailed(f"Parameter {member} is not valid. Reason: {error}") from error
    if endpoint.authorization:
        raise ValidationFailed(f"Parameter {member} is not valid. Reason: user names and passwords are a connection's")


def _told(connection: Connection) -> dict[str, Any]:
    """Return what every change of a connection answers."""
    told = {
        "ConnectionArn": connection.arn,
        "ConnectionState": connection.state,
        "CreationTime": connection.created_at,
        "LastModifiedTime": connection.modified_at,
        "LastAuthorizedTime": connection.authorized_at,
    }
    return {name: value for name, value in told.items() if value is not None}


def _listed(connection: Connection) -> dict[str, Any]:
    listed = {"Name": connection.name, "AuthorizationType": connection.authorization_type, **_told(connection)}
    return listed | ({"StateReason": connection.state_reason} if connection.state_reason else {})
