"""Aliases: create, point at another key, delete, list. An alias has no policy of its own: the caller's policies decide
on it, and the key's policy on the key that it names."""

from dataclasses import replace

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.kms.access import authorise_alias, authorise_key, find_key, require_living
from opentrail.aws.kms.errors import (
    AlreadyExistsException,
    InvalidAliasNameException,
    LimitExceededException,
    NotFoundException,
)
from opentrail.aws.kms.paging import limit_of, marker_of, page
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.protocol import Parameters
from opentrail.resource.key import ALIAS_PREFIX, Key, KeyAlias, alias_arn

ALIASES_PER_KEY = 50
"""KMS's quota."""

_PAGE = 50
_RESERVED = f"{ALIAS_PREFIX}aws/"


async def create_alias(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a new name for a key of the account and Region."""
    name = _alias_name(call)
    if name.startswith(_RESERVED):
        raise InvalidAliasNameException(name)
    key = await find_key(ports, call, call.parameters["TargetKeyId"])
    alias = KeyAlias(name, call.account_id, call.region, key.key_id, call.received_at, call.received_at)
    await authorise_alias(ports, call, alias.arn, key)
    require_living(key)
    if await ports.keys.alias(call.account_id, call.region, name) is not None:
        raise AlreadyExistsException(alias.arn)
    _check_quota(key)

    async def add() -> None:
        await ports.keys.add_alias(alias)

    return Outcome(after=add)


async def update_alias(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that an alias names another key from now on; the caller needs leave of both keys. On record first."""
    alias, current = await _find_alias(ports, call)
    key = await find_key(ports, call, call.parameters["TargetKeyId"])
    require_living(key)
    if current is None or key.key_id != current.key_id:
        _check_quota(key)
    pointed = replace(alias, key_id=key.key_id, updated_at=call.received_at)

    async def point() -> None:
        await ports.keys.point_alias(pointed)

    return Outcome(after=point)


async def delete_alias(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a name; the key stays. On record first."""
    alias, _ = await _find_alias(ports, call)

    async def delete() -> None:
        await ports.keys.delete_alias(alias.account_id, alias.region, alias.name)

    return Outcome(after=delete)


async def list_aliases(ports: ApiPorts, call: Call) -> Outcome:
    """Show the account's aliases in the Region by name, or those of one key."""
    after, limit, key_id = marker_of(call), limit_of(call, _PAGE), ""
    if "KeyId" in call.parameters:
        key_id = (await find_key(ports, call, call.parameters["KeyId"])).key_id
    aliases = await ports.keys.aliases(call.account_id, call.region, key_id, after, limit + 1)
    return Outcome(page("Aliases", aliases, limit, lambda alias: alias.name, _shown))


def _shown(alias: KeyAlias) -> Parameters:
    return {
        "AliasName": alias.name,
        "AliasArn": alias.arn,
        "TargetKeyId": alias.key_id,
        "CreationDate": alias.created_at,
        "LastUpdatedDate": alias.updated_at,
    }


async def _find_alias(ports: ApiPorts, call: Call) -> tuple[KeyAlias, Key | None]:
    """Return an alias and its key, once the caller may do the operation with both."""
    name = _alias_name(call)
    alias = await ports.keys.alias(call.account_id, call.region, name)
    key = await ports.keys.find_by_id(alias.key_id) if alias is not None else None
    await authorise_alias(ports, call, alias_arn(call.region, call.account_id, name), key)
    if alias is None:
        raise NotFoundException.alias(alias_arn(call.region, call.account_id, name))
    if key is not None:
        await authorise_key(ports, call, key, f"kms:{call.operation.name}")
    return alias, key


def _alias_name(call: Call) -> str:
    name: str = call.parameters["AliasName"]
    if not name.startswith(ALIAS_PREFIX):
        raise ValidationFailed(
            'Alias must start with the prefix "alias/". Please see '
            "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
        )
    if name == ALIAS_PREFIX:
        raise ValidationFailed("Invalid identifier")
    return name


def _check_quota(key: Key) -> None:
    if len(key.aliases) >= ALIASES_PER_KEY:
        raise LimitExceededException.aliases(key.arn, ALIASES_PER_KEY)
