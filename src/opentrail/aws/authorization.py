"""Whether a caller may do what a call asks for: identity and session policies, explicit deny first."""

from collections.abc import Awaitable, Callable

from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.service import Call, Requirement
from opentrail.identity import Credential
from opentrail.policy.context import request_context, request_principal
from opentrail.policy.document import PolicyDocument, parse_policy
from opentrail.policy.evaluation import AccessRequest, Authorization, authorize
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.key_ring import KeyCaller

PolicyOf = Callable[[Requirement], Awaitable[str]]
"""Tells the policy of the resource that a requirement names, "" for none."""


async def authorise(
    identities: IdentityStore,
    call: Call,
    requirements: tuple[Requirement, ...],
    resource_policy: PolicyOf | None = None,
) -> None:
    """Raise AccessDenied unless the caller's policies allow every requirement; Root is limited by no policy of its own.

    ``resource_policy`` joins the policies of resources of the caller's own account. A stored policy that cannot be read
    lets nobody pass: MalformedPolicy goes through, and the call fails.
    """
    if not requirements:
        return
    identity = await identity_policies(identities, call.credential)
    session = session_policy(call.credential)
    for requirement in requirements:
        request = access_request(call, requirement)
        attached = "" if resource_policy is None else await resource_policy(requirement)
        resource = parse_policy(attached) if attached else None
        verdict = authorize(identity, request, session=session, resource=resource)
        if not verdict.is_allowed:
            raise denial(call, requirement, verdict)


async def identity_policies(identities: IdentityStore, credential: Credential) -> list[PolicyDocument]:
    """Return the policies of the caller, read."""
    return [parse_policy(text) for text in await identities.policies(credential.principal)]


def session_policy(credential: Credential) -> PolicyDocument | None:
    """Return the policy that narrows the caller's session, None when nothing does."""
    return parse_policy(credential.session_policy) if credential.session_policy else None


def access_request(call: Call, requirement: Requirement) -> AccessRequest:
    """Return ``requirement`` as the question that policies are asked."""
    context = request_context(
        call.caller,
        now=call.received_at,
        region=call.region,
        source_ip=call.request.peer,
        user_agent=call.request.headers.get("user-agent"),
        is_tls=call.request.is_tls,
        extra=requirement.context,
    )
    return AccessRequest(requirement.action, requirement.resource, context, request_principal(call.caller))


async def key_caller(identities: IdentityStore, call: Call, via_service: str = "") -> KeyCaller:
    """Return the caller of ``call`` as key policies judge it; ``via_service`` (``s3``) uses the key on its behalf."""
    via = {"kms:ViaService": (f"{via_service}.{call.region}.amazonaws.com",)} if via_service else {}
    request = access_request(call, Requirement("", "*", via))
    assert request.principal is not None
    return KeyCaller(
        principal=request.principal,
        identity=tuple(await identity_policies(identities, call.credential)),
        session=session_policy(call.credential),
        conditions={name: tuple(values) for name, values in request.context.items()},
    )


def denial(call: Call, requirement: Requirement, verdict: Authorization) -> AccessDenied:
    """Return the error that says who may not do what, where, and which kind of policy says so."""
    action, resource = requirement.action, requirement.resource
    on_resource = "" if resource == "*" else f" on resource: {resource}"
    return AccessDenied(
        f"User: {call.caller.arn} is not authorized to perform: {action}{on_resource} {verdict.reason(action)}"
    )
