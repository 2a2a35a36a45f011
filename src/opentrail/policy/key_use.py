"""Whether somebody may do something with a key of the key ring: key policy, caller's policies, KMS's condition keys."""

from collections.abc import Mapping, Sequence

from opentrail.policy.document import PolicyDocument, parse_policy
from opentrail.policy.evaluation import (
    AccessRequest,
    Authorization,
    Decision,
    RequestPrincipal,
    authorize_key_use,
    evaluate,
)
from opentrail.resource.key import Key

Conditions = Mapping[str, tuple[str, ...]]


def judge_key_use(
    action: str,
    key: Key,
    principal: RequestPrincipal,
    *,
    identity: Sequence[PolicyDocument] = (),
    session: PolicyDocument | None = None,
    conditions: Conditions | None = None,
) -> Authorization:
    """Judge ``action`` (``kms:Decrypt``) on ``key``; ``conditions`` are the request's own condition keys.

    Raises MalformedPolicy when the stored key policy cannot be read: nobody passes then.
    """
    context = {**(conditions or {}), **key_conditions(key, principal)}
    request = AccessRequest(action, key.arn, context, principal)
    return authorize_key_use(parse_policy(key.policy), key.account_id, identity, request, session=session)


def is_let_in(action: str, key: Key, principal: RequestPrincipal, conditions: Conditions) -> bool:
    """Say whether the key policy alone lets the caller, or leaves it to the caller's account, to do ``action``."""
    request = AccessRequest(action, key.arn, {**conditions, **key_conditions(key, principal)}, principal)
    return evaluate([parse_policy(key.policy)], request) is Decision.ALLOW


def key_conditions(key: Key, principal: RequestPrincipal) -> dict[str, tuple[str, ...]]:
    """Return the condition keys that a key brings into every request on it, and the caller's account."""
    found = {
        "kms:CallerAccount": (principal.account_id,),
        "kms:KeyOrigin": ("AWS_KMS",),
        "kms:KeySpec": ("SYMMETRIC_DEFAULT",),
        "kms:KeyUsage": ("ENCRYPT_DECRYPT",),
        "kms:MultiRegion": ("false",),
        "kms:ResourceAliases": key.aliases,
        "aws:ResourceAccount": (key.account_id,),
        **{f"aws:ResourceTag/{name}": (value,) for name, value in key.tags.items()},
    }
    return {name: values for name, values in found.items() if values and values != ("",)}


def context_conditions(context: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the condition keys of a request's encryption context: each pair, and all keys together.

    Condition keys compare without case, contexts with it: names that differ by case only are one key with all values.
    """
    if not context:
        return {}
    pairs: dict[str, tuple[str, ...]] = {}
    for name in sorted(context):
        condition = f"kms:EncryptionContext:{name.lower()}"
        pairs[condition] = (*pairs.get(condition, ()), context[name])
    return {**pairs, "kms:EncryptionContextKeys": tuple(sorted(context))}
