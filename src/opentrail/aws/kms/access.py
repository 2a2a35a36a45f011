"""Which key a call means, and whether its caller may do this with it: key policy and identity policies together.

Who may not learns nothing of a key of another account, not even whether it is there.
"""

from collections.abc import Mapping

from opentrail.aws.authorization import access_request, authorise, denial, identity_policies, session_policy
from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.kms.errors import DisabledException, KMSInvalidStateException, NotFoundException
from opentrail.aws.service import ApiPorts, Call, Requirement
from opentrail.policy.context import request_principal
from opentrail.policy.evaluation import Authorization
from opentrail.policy.key_use import is_let_in, judge_key_use, key_conditions
from opentrail.resource.key import Key, KeyName, KeyState, parse_key_name

Conditions = Mapping[str, tuple[str, ...]]

_HIDDEN = (
    "User: {caller} is not authorized to perform: {action} on this resource because the resource does not exist in "
    "this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
)


async def find_key(
    ports: ApiPorts,
    call: Call,
    given: str,
    *,
    action: str = "",
    takes_alias: bool = False,
    crosses_accounts: bool = False,
    conditions: Conditions | None = None,
) -> Key:
    """Return the key that ``given`` names, once the caller may do ``action`` (by default the operation) with it.

    Raises NotFoundException for no name of a key and, to those whose own policies would let them, for a key of their
    account that is not there; AccessDenied otherwise.
    """
    action = action or f"kms:{call.operation.name}"
    name = _read_name(call, given, takes_alias=takes_alias)
    conditions = {**(conditions or {}), **({"kms:RequestAlias": (name.alias,)} if name.alias else {})}
    is_foreign = name.account_id != call.account_id
    if is_foreign and not crosses_accounts:
        raise hidden(call, action)
    key = await ports.keys.find(name.arn)
    if key is None:
        if is_foreign:
            raise hidden(call, action)
        await authorise(ports.identities, call, (Requirement(action, name.arn, conditions),))
        if name.alias:
            raise NotFoundException.alias(name.arn)
        raise NotFoundException.key(name.arn)
    await authorise_key(ports, call, key, action, conditions)
    return key


def _read_name(call: Call, given: str, *, takes_alias: bool) -> KeyName:
    name = parse_key_name(given, call.account_id, call.region)
    if name is None or (name.alias and not takes_alias):
        if given.startswith("arn:"):
            raise NotFoundException.arn(given)
        raise NotFoundException.key_id(given)
    if name.region != call.region:
        raise NotFoundException.arn(name.region)
    return name


async def authorise_key(
    ports: ApiPorts, call: Call, key: Key, action: str, conditions: Conditions | None = None
) -> None:
    """Raise AccessDenied unless key policy and the caller's policies allow ``action`` on ``key``."""
    verdict = await key_verdict(ports, call, key, action, conditions)
    if verdict.is_allowed:
        return
    if key.account_id != call.account_id:
        raise hidden(call, action)
    raise denial(call, Requirement(action, key.arn), verdict)


async def key_verdict(
    ports: ApiPorts, call: Call, key: Key, action: str, conditions: Conditions | None = None
) -> Authorization:
    """Return what key policy and the caller's policies say of ``action`` on ``key``."""
    request = access_request(call, Requirement(action, key.arn, conditions or {}))
    return judge_key_use(
        action,
        key,
        request_principal(call.caller),
        identity=await identity_policies(ports.identities, call.credential),
        session=session_policy(call.credential),
        conditions={name: tuple(values) for name, values in request.context.items()},
    )


def may_change_policy(call: Call, key: Key, conditions: Conditions) -> bool:
    """Say whether the key policy would let the caller, or leave it to the caller's account, to put another one."""
    request = access_request(call, Requirement("kms:PutKeyPolicy", key.arn, conditions))
    context = {name: tuple(values) for name, values in request.context.items()}
    return is_let_in("kms:PutKeyPolicy", key, request_principal(call.caller), context)


async def authorise_alias(ports: ApiPorts, call: Call, alias_arn: str, key: Key | None = None) -> None:
    """Raise AccessDenied unless the caller's own policies allow the operation on an alias, which has no policy."""
    conditions = key_conditions(key, request_principal(call.caller)) if key is not None else {}
    await authorise(ports.identities, call, (Requirement(f"kms:{call.operation.name}", alias_arn, conditions),))


def hidden(call: Call, action: str) -> AccessDenied:
    """Return the refusal that tells a stranger nothing."""
    return AccessDenied(_HIDDEN.format(caller=call.caller.arn, action=action))


def require_enabled(key: Key) -> None:
    """Raise DisabledException or KMSInvalidStateException unless the key may be used."""
    if key.state is KeyState.DISABLED:
        raise DisabledException(key.arn)
    require_living(key)


def require_living(key: Key) -> None:
    """Raise KMSInvalidStateException for a key that waits for its deletion."""
    if key.state is KeyState.PENDING_DELETION:
        raise KMSInvalidStateException.pending_deletion(key.arn)
