"""Judges requests by policies: explicit deny first, then an allow, else an implicit deny.

``evaluate`` judges by any set of documents. ``authorize`` joins the kinds of policies that meet in one request as IAM
does; ``authorize_assume_role`` and ``authorize_key_use`` do so for a role's trust policy and a key's policy, whose
consent is always needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from opentrail.policy.document import Effect, Patterns, PolicyDocument, Principals, Statement
from opentrail.policy.wildcards import Context


class Decision(Enum):
    """What policies say about a request."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"


@dataclass(frozen=True, slots=True)
class RequestPrincipal:
    """Who asks, as the Principal element can name it.

    ``arn`` is a user's, Root's, or a session's (``assumed-role/ROLE/SESSION``); ``role_arn`` is the role behind a
    session. ``service`` is set instead when an AWS service asks for itself.
    """

    account_id: str = ""
    arn: str = ""
    role_arn: str = ""
    service: str = ""
    is_root: bool = False


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One action (``cloudtrail:StopLogging``) on one resource (its ARN, or ``*`` for actions that have none).

    ``context`` are condition keys with their values; keys compare without case. ``principal`` is None for an anonymous
    caller.
    """

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)
    principal: RequestPrincipal | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """The verdict on a request, and which kind of policy it comes from (``identity-based`` and so on)."""

    decision: Decision
    policy_kind: str

    @property
    def is_allowed(self) -> bool:
        """Say whether the request may go on."""
        return self.decision is Decision.ALLOW

    def reason(self, action: str) -> str:
        """Return the end of AWS's AccessDenied sentence for ``action``, from "because" or "with" on."""
        if self.decision is Decision.EXPLICIT_DENY:
            article = "an" if self.policy_kind[0] in "aeiou" else "a"
            return f"with an explicit deny in {article} {self.policy_kind} policy"
        return f"because no {self.policy_kind} policy allows the {action} action"


IDENTITY_BASED = "identity-based"
RESOURCE_BASED = "resource-based"
SESSION = "session"


class _Grant(IntEnum):
    """How far a policy with principals lets the caller in."""

    DENIED = 0
    NONE = 1
    ACCOUNT = 2  # the caller's account is named: its own policies decide
    NAMED = 3  # the caller's user or role is named, or everybody is: a session policy still narrows it
    SESSION = 4  # this very session is named


def evaluate(documents: Sequence[PolicyDocument], request: AccessRequest) -> Decision:
    """Judge a request by all statements of ``documents``. One with Principal applies to those it names."""
    grant = _grant(documents, request)
    if grant is _Grant.DENIED:
        return Decision.EXPLICIT_DENY
    return Decision.IMPLICIT_DENY if grant is _Grant.NONE else Decision.ALLOW


def authorize(
    identity: Sequence[PolicyDocument],
    request: AccessRequest,
    *,
    session: PolicyDocument | None = None,
    resource: PolicyDocument | None = None,
    resource_account_id: str = "",
) -> Authorization:
    """Judge a request by the caller's own policies, its session's and the resource's.

    - A deny in any of them denies.
    - The caller's policies allow, and the session's (when there is one) must allow too. Root needs none of its own.
    - A resource policy that names the caller's user or role, or everybody, allows as far as the session policy does;
      one that names this session allows alone; one that names the account leaves it to the caller's policies.
    - A resource of another account (``resource_account_id``, empty = the caller's) needs both sides.
    - For a service or an anonymous caller the resource policy alone decides.
    """
    session_decision = Decision.ALLOW if session is None else evaluate([session], request)
    identity_decision = evaluate(identity, request)
    if request.principal is not None and request.principal.is_root and identity_decision is Decision.IMPLICIT_DENY:
        identity_decision = Decision.ALLOW
    grant = _Grant.NONE if resource is None else _grant([resource], request)
    for kind, is_denied in (
        (IDENTITY_BASED, identity_decision is Decision.EXPLICIT_DENY),
        (RESOURCE_BASED, grant is _Grant.DENIED),
        (SESSION, session_decision is Decision.EXPLICIT_DENY),
    ):
        if is_denied:
            return Authorization(Decision.EXPLICIT_DENY, kind)
    return _join(identity_decision, session_decision, grant, _is_one_sided(request.principal, resource_account_id))


def authorize_assume_role(
    trust: PolicyDocument,
    role_account_id: str,
    identity: Sequence[PolicyDocument],
    request: AccessRequest,
    *,
    session: PolicyDocument | None = None,
) -> Authorization:
    """Judge sts:AssumeRole: the role's trust policy must let the caller in, and then ``authorize`` allow it."""
    return _with_consent(trust, role_account_id, identity, request, session)


def authorize_key_use(
    key_policy: PolicyDocument,
    key_account_id: str,
    identity: Sequence[PolicyDocument],
    request: AccessRequest,
    *,
    session: PolicyDocument | None = None,
) -> Authorization:
    """Judge an action on a KMS key: the key policy must let the caller or its account in, and ``authorize`` allow it.

    So no policy of a caller, not even Root's standing, reaches a key whose policy names neither it nor its account.
    """
    return _with_consent(key_policy, key_account_id, identity, request, session)


def _with_consent(
    resource: PolicyDocument,
    account_id: str,
    identity: Sequence[PolicyDocument],
    request: AccessRequest,
    session: PolicyDocument | None,
) -> Authorization:
    verdict = authorize(identity, request, session=session, resource=resource, resource_account_id=account_id)
    if verdict.is_allowed and _grant([resource], request) is _Grant.NONE:
        return Authorization(Decision.IMPLICIT_DENY, RESOURCE_BASED)
    return verdict


def _is_one_sided(principal: RequestPrincipal | None, resource_account_id: str) -> bool:
    """Say whether one side's consent is enough: within one account, or when the caller has no policies at all."""
    return principal is None or bool(principal.service) or resource_account_id in ("", principal.account_id)


def _join(identity: Decision, session: Decision, grant: _Grant, is_one_sided: bool) -> Authorization:
    """Join what each side says once no side denies explicitly."""
    own_side = Authorization(Decision.ALLOW, IDENTITY_BASED)
    if identity is not Decision.ALLOW:
        own_side = Authorization(Decision.IMPLICIT_DENY, IDENTITY_BASED)
    elif session is not Decision.ALLOW:
        own_side = Authorization(Decision.IMPLICIT_DENY, SESSION)
    if not is_one_sided:
        if grant is _Grant.NONE:
            return Authorization(Decision.IMPLICIT_DENY, RESOURCE_BASED)
        return own_side
    if grant is _Grant.SESSION or (grant is _Grant.NAMED and session is Decision.ALLOW):
        return Authorization(Decision.ALLOW, RESOURCE_BASED)
    return own_side


def _grant(documents: Sequence[PolicyDocument], request: AccessRequest) -> _Grant:
    context = {key.lower(): tuple(values) for key, values in request.context.items()}
    action = request.action.lower()
    grant = _Grant.NONE
    for document in documents:
        for statement in document.statements:
            reach = _reach(statement, request, action, context)
            if reach is _Grant.NONE:
                continue
            if statement.effect is Effect.DENY:
                return _Grant.DENIED
            grant = max(grant, reach)
    return grant


def _reach(statement: Statement, request: AccessRequest, action: str, context: Context) -> _Grant:
    """Say how a statement applies to a request; NONE when it does not."""
    reach = _Grant.NAMED if statement.principals is None else _named(statement.principals, request.principal)
    if (
        reach is not _Grant.NONE
        and _meets(statement.actions, action, context)
        and (statement.resources is None or _meets(statement.resources, request.resource, context))
        and all(condition.holds(context) for condition in statement.conditions)
    ):
        return reach
    return _Grant.NONE


def _meets(patterns: Patterns, text: str, context: Context) -> bool:
    return any(template.matches(text, context) for template in patterns.templates) != patterns.is_negated


def _named(principals: Principals, principal: RequestPrincipal | None) -> _Grant:
    reach = _reached_by(principals.names, principal)
    if not principals.is_negated:
        return reach
    return _Grant.NAMED if reach is _Grant.NONE else _Grant.NONE


def _reached_by(names: frozenset[tuple[str, str]], principal: RequestPrincipal | None) -> _Grant:
    if principal is not None and principal.role_arn and ("AWS", principal.arn) in names:
        return _Grant.SESSION
    if ("AWS", "*") in names:
        return _Grant.NAMED
    if principal is None:
        return _Grant.NONE
    if principal.service:
        return _Grant.NAMED if ("Service", principal.service) in names else _Grant.NONE
    if ("AWS", principal.arn) in names or ("AWS", principal.role_arn) in names:
        return _Grant.NAMED
    account = principal.account_id
    is_account = ("AWS", account) in names or any(
        kind == "AWS" and name.startswith("arn:") and name.endswith(f":iam::{account}:root") for kind, name in names
    )
    return _Grant.ACCOUNT if account and is_account else _Grant.NONE
