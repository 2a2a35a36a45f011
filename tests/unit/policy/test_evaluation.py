import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opentrail.identity import Principal, PrincipalType, SessionContext
from opentrail.policy.context import request_context, request_principal
from opentrail.policy.document import PolicyDocument, PolicyKind, parse_policy
from opentrail.policy.evaluation import (
    AccessRequest,
    Authorization,
    Decision,
    RequestPrincipal,
    authorize,
    authorize_assume_role,
    evaluate,
)
from opentrail.policy.managed import MANAGED_POLICIES

ACCOUNT = "123456789012"
OTHER = "210987654321"
NOW = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
OBJECT = "arn:aws:s3:::logs/a"

ROOT = Principal(PrincipalType.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
ALICE = Principal(PrincipalType.IAM_USER, "AIDAALICE", f"arn:aws:iam::{ACCOUNT}:user/alice", ACCOUNT, "alice")
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/auditor"
NIGHT = Principal(
    PrincipalType.ASSUMED_ROLE,
    "AROAAUDITOR:night",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/night",
    ACCOUNT,
    session=SessionContext(NOW, False, "Role", "AROAAUDITOR", ROLE_ARN, ACCOUNT, "auditor"),
)

ALLOWED = Decision.ALLOW
EXPLICIT = Decision.EXPLICIT_DENY
IMPLICIT = Decision.IMPLICIT_DENY


def a_policy(effect: str = "Allow", action: str = "s3:*", **more: Any) -> PolicyDocument:
    return parse_policy(json.dumps({"Statement": {"Effect": effect, "Action": action, "Resource": "*", **more}}))


def naming(principal: Any, effect: str = "Allow") -> PolicyDocument:
    return a_policy(effect, Principal=principal)


def a_trust(principal: Any, effect: str = "Allow", **more: Any) -> PolicyDocument:
    statement = {"Effect": effect, "Action": "sts:AssumeRole", "Principal": principal, **more}
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": statement}), PolicyKind.TRUST)


def a_request(principal: Principal | None, action: str = "s3:GetObject", resource: str = OBJECT) -> AccessRequest:
    return AccessRequest(action, resource, {}, None if principal is None else request_principal(principal))


def test_root_needs_no_policy() -> None:
    assert authorize([], a_request(ROOT)).is_allowed


def test_root_is_still_narrowed_by_its_session_and_by_the_resource() -> None:
    assert authorize([], a_request(ROOT), session=a_policy(action="ec2:*")) == Authorization(IMPLICIT, "session")
    assert authorize([], a_request(ROOT), resource=naming("*", "Deny")) == Authorization(EXPLICIT, "resource-based")


def test_a_user_needs_a_policy_that_allows() -> None:
    assert authorize([], a_request(ALICE)) == Authorization(IMPLICIT, "identity-based")
    assert authorize([a_policy()], a_request(ALICE)) == Authorization(ALLOWED, "identity-based")


def test_a_session_may_do_what_both_its_role_and_its_session_policy_allow() -> None:
    role, session = a_policy(action="s3:*"), a_policy(action="*:Get*")

    assert authorize([role], a_request(NIGHT), session=session).is_allowed
    assert authorize([role], a_request(NIGHT, "s3:PutObject"), session=session) == Authorization(IMPLICIT, "session")
    assert authorize([role], a_request(NIGHT, "ec2:GetConsoleOutput"), session=session) == Authorization(
        IMPLICIT, "identity-based"
    )


@pytest.mark.parametrize("kind", ["identity-based", "resource-based", "session"])
def test_a_deny_in_any_policy_denies_and_is_named(kind: str) -> None:
    effect = {"identity-based": "Allow", "resource-based": "Allow", "session": "Allow", kind: "Deny"}

    verdict = authorize(
        [a_policy(effect["identity-based"])],
        a_request(NIGHT),
        session=a_policy(effect["session"]),
        resource=naming("*", effect["resource-based"]),
    )

    assert verdict == Authorization(EXPLICIT, kind)


def test_a_resource_policy_that_names_a_user_allows_alone() -> None:
    assert authorize([], a_request(ALICE), resource=naming({"AWS": ALICE.arn})).is_allowed
    assert authorize([], a_request(ALICE), resource=naming("*")).is_allowed


def test_a_resource_policy_that_names_the_account_leaves_it_to_the_caller_s_policies() -> None:
    resource = naming({"AWS": ACCOUNT})

    assert authorize([], a_request(ALICE), resource=resource) == Authorization(IMPLICIT, "identity-based")
    assert authorize([a_policy()], a_request(ALICE), resource=resource).is_allowed


def test_a_session_policy_narrows_what_a_resource_gives_the_role_but_not_what_it_gives_the_session() -> None:
    narrow = a_policy(action="ec2:*")

    assert not authorize([], a_request(NIGHT), session=narrow, resource=naming({"AWS": ROLE_ARN})).is_allowed
    assert not authorize([], a_request(NIGHT), session=narrow, resource=naming("*")).is_allowed
    assert authorize([], a_request(NIGHT), session=narrow, resource=naming({"AWS": NIGHT.arn})).is_allowed
    assert authorize([], a_request(NIGHT), resource=naming({"AWS": ROLE_ARN})).is_allowed


def test_a_resource_of_another_account_needs_both_sides() -> None:
    request, resource = a_request(ALICE), naming({"AWS": ALICE.arn})

    assert authorize([a_policy()], request, resource=resource, resource_account_id=OTHER).is_allowed
    assert authorize([], request, resource=resource, resource_account_id=OTHER) == Authorization(
        IMPLICIT, "identity-based"
    )
    assert authorize([a_policy()], request, resource_account_id=OTHER) == Authorization(IMPLICIT, "resource-based")


def test_a_service_and_an_anonymous_caller_have_the_resource_s_policy_alone() -> None:
    service = RequestPrincipal(service="cloudtrail.amazonaws.com")
    by_service = AccessRequest("s3:PutObject", OBJECT, {}, service)

    assert authorize(
        [], by_service, resource=naming({"Service": service.service}), resource_account_id=OTHER
    ).is_allowed
    assert not authorize([], by_service, resource=naming({"AWS": ACCOUNT}), resource_account_id=OTHER).is_allowed
    assert authorize([], a_request(None), resource=naming("*"), resource_account_id=OTHER).is_allowed
    assert not authorize([], a_request(None), resource=naming({"AWS": ACCOUNT}), resource_account_id=OTHER).is_allowed


def test_a_trail_s_bucket_policy_lets_cloudtrail_deliver_for_that_trail_only() -> None:
    trail = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/audit"
    policy = a_policy(
        action="s3:PutObject",
        Principal={"Service": "cloudtrail.amazonaws.com"},
        Resource=f"arn:aws:s3:::logs/AWSLogs/{ACCOUNT}/*",
        Condition={"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceArn": trail}},
    )

    def put(key: str, source: str) -> Decision:
        context = {"s3:x-amz-acl": ["bucket-owner-full-control"], "aws:SourceArn": [source]}
        principal = RequestPrincipal(service="cloudtrail.amazonaws.com")
        return evaluate([policy], AccessRequest("s3:PutObject", f"arn:aws:s3:::logs/{key}", context, principal))

    assert put(f"AWSLogs/{ACCOUNT}/CloudTrail/x", trail) is ALLOWED
    assert put(f"AWSLogs/{OTHER}/CloudTrail/x", trail) is IMPLICIT
    assert put(f"AWSLogs/{ACCOUNT}/CloudTrail/x", trail + "2") is IMPLICIT


def assume(principal: Principal, trust: PolicyDocument, *own: PolicyDocument, account: str = ACCOUNT) -> Authorization:
    request = a_request(principal, "sts:AssumeRole", f"arn:aws:iam::{account}:role/auditor")
    return authorize_assume_role(trust, account, own, request)


def test_a_role_is_assumed_only_with_its_trust() -> None:
    may_assume = a_policy(action="sts:AssumeRole")

    assert assume(ALICE, a_trust({"AWS": OTHER}), may_assume) == Authorization(IMPLICIT, "resource-based")
    assert assume(ROOT, a_trust({"AWS": OTHER})) == Authorization(IMPLICIT, "resource-based")
    assert assume(ALICE, a_trust({"AWS": OTHER}), a_policy("Deny", "*")) == Authorization(EXPLICIT, "identity-based")


def test_a_trusted_user_of_the_account_needs_no_policy_and_a_trusted_account_does() -> None:
    assert assume(ALICE, a_trust({"AWS": ALICE.arn})).is_allowed
    assert assume(ALICE, a_trust({"AWS": ACCOUNT})) == Authorization(IMPLICIT, "identity-based")
    assert assume(ALICE, a_trust({"AWS": ACCOUNT}), a_policy(action="sts:*")).is_allowed
    assert assume(ROOT, a_trust({"AWS": ACCOUNT})).is_allowed


def test_a_role_of_another_account_needs_trust_and_a_policy() -> None:
    trust = a_trust({"AWS": ALICE.arn})

    assert assume(ALICE, trust, account=OTHER) == Authorization(IMPLICIT, "identity-based")
    assert assume(ALICE, trust, a_policy(action="sts:AssumeRole"), account=OTHER).is_allowed


def test_a_trust_policy_may_ask_for_an_external_id() -> None:
    trust = a_trust({"AWS": ALICE.arn}, Condition={"StringEquals": {"sts:ExternalId": "4711"}})
    context = {"sts:ExternalId": ["4711"]}
    request = AccessRequest("sts:AssumeRole", ROLE_ARN, context, request_principal(ALICE))

    assert authorize_assume_role(trust, ACCOUNT, [], request).is_allowed
    assert not assume(ALICE, trust).is_allowed


def test_the_reason_reads_as_aws_writes_it() -> None:
    assert Authorization(EXPLICIT, "identity-based").reason("s3:Get") == (
        "with an explicit deny in an identity-based policy"
    )
    assert Authorization(EXPLICIT, "session").reason("s3:Get") == "with an explicit deny in a session policy"
    assert Authorization(IMPLICIT, "session").reason("s3:Get") == "because no session policy allows the s3:Get action"


def test_a_user_s_context_has_its_name_and_no_session() -> None:
    context = request_context(
        ALICE, now=NOW, region="eu-west-1", source_ip="203.0.113.9", user_agent="aws-cli", is_tls=True
    )

    assert context == {
        "aws:PrincipalArn": (ALICE.arn,),
        "aws:PrincipalAccount": (ACCOUNT,),
        "aws:PrincipalType": ("User",),
        "aws:userid": ("AIDAALICE",),
        "aws:username": ("alice",),
        "aws:CurrentTime": ("2026-03-14T15:09:26Z",),
        "aws:EpochTime": ("1773500966",),
        "aws:RequestedRegion": ("eu-west-1",),
        "aws:SourceIp": ("203.0.113.9",),
        "aws:UserAgent": ("aws-cli",),
        "aws:SecureTransport": ("true",),
    }


def test_a_session_s_context_has_its_role_and_its_beginning() -> None:
    context = request_context(NIGHT, now=NOW, region="eu-west-1", extra={"sts:ExternalId": ("4711",)})

    assert context["aws:PrincipalArn"] == (ROLE_ARN,)
    assert context["aws:userid"] == ("AROAAUDITOR:night",)
    assert context["aws:TokenIssueTime"] == ("2026-03-14T15:09:26Z",)
    assert context["aws:MultiFactorAuthPresent"] == ("false",)
    assert context["sts:ExternalId"] == ("4711",)
    assert "aws:username" not in context
    assert "aws:SourceIp" not in context


@pytest.mark.parametrize(
    ("name", "allowed", "denied"),
    [
        ("AdministratorAccess", ["cloudtrail:DeleteTrail", "ec2:RunInstances"], []),
        (
            "AWSCloudTrail_FullAccess",
            ["cloudtrail:DeleteTrail", "cloudtrail-data:PutAuditEvents", "s3:GetBucketLocation"],
            ["s3:DeleteObject", "iam:CreateUser"],
        ),
        (
            "AWSCloudTrail_ReadOnlyAccess",
            ["cloudtrail:LookupEvents", "cloudtrail:GetTrailStatus", "cloudtrail:DescribeTrails", "s3:GetObject"],
            ["cloudtrail:StopLogging", "cloudtrail:PutEventSelectors", "cloudtrail:StartQuery", "s3:PutObject"],
        ),
    ],
)
def test_a_managed_policy_does_what_its_name_says(name: str, allowed: list[str], denied: list[str]) -> None:
    document = parse_policy(MANAGED_POLICIES[name], PolicyKind.IDENTITY)

    def decide(action: str) -> Decision:
        return evaluate([document], a_request(ALICE, action))

    assert [action for action in allowed if decide(action) is not ALLOWED] == []
    assert [action for action in denied if decide(action) is not IMPLICIT] == []


def test_the_age_of_an_mfa_check_is_known_of_sessions_that_began_with_one() -> None:
    assert NIGHT.session is not None
    with_mfa = replace(NIGHT, session=replace(NIGHT.session, is_mfa_authenticated=True))
    later = NOW + timedelta(seconds=90)

    assert request_context(with_mfa, now=later, region="eu-west-1")["aws:MultiFactorAuthAge"] == ("90",)
    assert "aws:MultiFactorAuthAge" not in request_context(NIGHT, now=later, region="eu-west-1")


def test_a_federated_user_is_named_by_its_own_arn_and_needs_no_policy_of_root() -> None:
    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    root_arn = f"arn:aws:iam::{ACCOUNT}:root"
    of_root = Principal(
        PrincipalType.FEDERATED_USER,
        f"{ACCOUNT}:guest",
        arn,
        ACCOUNT,
        session=SessionContext(NOW, issuer_type="Root", issuer_arn=root_arn),
    )
    assert of_root.session is not None
    of_user = replace(of_root, session=replace(of_root.session, issuer_type="IAMUser"))

    assert (request_principal(of_root).role_arn, request_principal(of_root).is_root) == (arn, True)
    assert (request_principal(of_user).role_arn, request_principal(of_user).is_root) == (arn, False)
    assert request_context(of_root, now=NOW, region="eu-west-1")["aws:PrincipalArn"] == (arn,)
