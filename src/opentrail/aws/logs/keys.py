"""KMS keys of log groups and of query results: AssociateKmsKey, DisassociateKmsKey, and what a key that cannot be used
comes to in calls that read or write events."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import wraps

from opentrail.arn import Arn
from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.logs.errors import InvalidParameterException
from opentrail.aws.logs.naming import named_group
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.key_ring import (
    BlobInvalid,
    KeyAccessRefused,
    KeyDisabled,
    KeyNotFound,
    logs_caller,
    logs_context,
)
from opentrail.ports.log_store import LogKeyUnusable
from opentrail.resource.log_group import LogGroup, query_result_arn

Run = Callable[[ApiPorts, Call], Awaitable[Outcome]]


async def associate_kms_key(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a group's new events, or the results of the account's new queries, are kept under a KMS key."""
    group = await _target(ports, call)
    arn = query_result_arn(call.region, call.account_id) if group is None else group.arn
    key_arn = await usable_key(ports, call, call.parameters["kmsKeyId"], arn)
    return Outcome(after=_keeping(ports, call, group, key_arn))


async def disassociate_kms_key(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that new events, or results, are kept under no KMS key; what is there needs its key as before."""
    return Outcome(after=_keeping(ports, call, await _target(ports, call), ""))


def _keeping(ports: ApiPorts, call: Call, group: LogGroup | None, key_arn: str) -> Callable[[], Awaitable[None]]:
    async def keep() -> None:
        if group is None:
            await ports.log_groups.set_result_key(call.account_id, call.region, key_arn)
        else:
            await ports.log_groups.change(replace(group, kms_key_arn=key_arn))

    return keep


async def _target(ports: ApiPorts, call: Call) -> LogGroup | None:
    """Return the group that a call is about, None for the account's query results."""
    name, identifier = call.parameters.get("logGroupName", ""), call.parameters.get("resourceIdentifier", "")
    if bool(name) == bool(identifier):
        raise InvalidParameterException("Exactly one of logGroupName and resourceIdentifier must be given.")
    if identifier == query_result_arn(call.region, call.account_id):
        return None
    if identifier and not identifier.startswith("arn:"):
        raise InvalidParameterException.group_arn(identifier)
    return await named_group(ports, call, name or identifier)


async def usable_key(ports: ApiPorts, call: Call, given: str, arn: str) -> str:
    """Return the ARN of a key that CloudWatch Logs may encrypt and decrypt with for ``arn``, as is proved at once.

    Raises InvalidParameter for what is no key of the called Region's that is enabled, AccessDenied where its policy
    does not let CloudWatch Logs use it.
    """
    _check_key_arn(given, call.region)
    context, caller = logs_context(arn), logs_caller(arn)
    try:
        made = await ports.key_ring.generate_data_key(given, context, caller)
        await ports.key_ring.decrypt(made.blob, context, caller)
    except (KeyNotFound, KeyDisabled, BlobInvalid) as error:
        raise InvalidParameterException.key(given) from error
    except KeyAccessRefused as error:
        raise AccessDenied(_refused(arn)) from error
    return made.key_arn


def _check_key_arn(given: str, region: str) -> None:
    try:
        arn = Arn.parse(given)
    except ValueError:
        raise InvalidParameterException.key_arn(given) from None
    if (arn.service, arn.region) != ("kms", region) or not arn.resource.startswith("key/"):
        raise InvalidParameterException.key_arn(given)


def with_keys(run: Run) -> Run:
    """Return a handler that answers AccessDenied where events are kept under a key that cannot be used now."""

    @wraps(run)
    async def handle(ports: ApiPorts, call: Call) -> Outcome:
        try:
            return await run(ports, call)
        except LogKeyUnusable as error:
            raise AccessDenied(unusable(call)) from error

    return handle


def unusable(call: Call) -> str:
    """Return what a call is answered that meets a key that cannot be used now."""
    named = call.parameters.get("logGroupName") or call.parameters.get("logGroupIdentifier") or ""
    is_arn = named.startswith("arn:")
    prefix = query_result_arn(call.region, call.account_id).removesuffix("query-result:*")
    return _refused(named if is_arn else f"{prefix}log-group:{named}" if named else f"{prefix}*")


def _refused(arn: str) -> str:
    return f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'"
