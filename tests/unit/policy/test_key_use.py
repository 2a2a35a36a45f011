"""Keys judged: key policy and identity policies together, and the condition keys that a key and a context bring."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from opentrail.policy.document import MalformedPolicy, PolicyDocument, parse_policy
from opentrail.policy.evaluation import Decision, RequestPrincipal
from opentrail.policy.key_use import context_conditions, is_let_in, judge_key_use, key_conditions
from opentrail.resource.key import Key

ACCOUNT, OTHER = "123456789012", "222222222222"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/auditor"
SESSION = RequestPrincipal(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/night", ROLE)
USER = RequestPrincipal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/anaya")
ROOT = RequestPrincipal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", is_root=True)
STRANGER = RequestPrincipal(OTHER, f"arn:aws:iam::{OTHER}:user/eve")
CLOUDTRAIL = RequestPrincipal(service="cloudtrail.amazonaws.com")
THE_ACCOUNT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
DECRYPT = "kms:Decrypt"


def text(*statements: dict[str, Any]) -> str:
    return orjson.dumps({"Version": "2012-10-17", "Statement": list(statements)}).decode()


def a_statement(principal: Any = None, effect: str = "Allow", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": DECRYPT, "Resource": "*"}
    statement |= {"Principal": principal} if principal else {}
    return statement | ({"Condition": condition} if condition else {})


def a_key(*statements: dict[str, Any], **changes: Any) -> Key:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Key("11111111-1111-4111-8111-111111111111", ACCOUNT, "us-east-1", at, text(*statements), **changes)


ALLOWED: list[PolicyDocument] = [parse_policy(text(a_statement()))]
DENIED: list[PolicyDocument] = [parse_policy(text(a_statement(effect="Deny")))]


@pytest.mark.parametrize(
    ("key", "who", "identity", "expected"),
    [
        (a_key(a_statement(THE_ACCOUNT)), ROOT, [], Decision.ALLOW),
        (a_key(a_statement(THE_ACCOUNT)), USER, [], Decision.IMPLICIT_DENY),
        (a_key(a_statement(THE_ACCOUNT)), USER, ALLOWED, Decision.ALLOW),
        (a_key(a_statement({"AWS": USER.arn})), USER, [], Decision.ALLOW),
        (a_key(a_statement({"AWS": USER.arn})), USER, DENIED, Decision.EXPLICIT_DENY),
        (a_key(a_statement({"AWS": USER.arn})), ROOT, [], Decision.IMPLICIT_DENY),
        (a_key(a_statement({"AWS": USER.arn})), SESSION, ALLOWED, Decision.IMPLICIT_DENY),
        (a_key(a_statement({"AWS": ROLE})), SESSION, [], Decision.ALLOW),
        (a_key(a_statement({"AWS": SESSION.arn})), SESSION, [], Decision.ALLOW),
        (a_key(a_statement(THE_ACCOUNT), a_statement("*", "Deny")), ROOT, [], Decision.EXPLICIT_DENY),
        (a_key(a_statement({"AWS": OTHER})), STRANGER, [], Decision.IMPLICIT_DENY),
        (a_key(a_statement({"AWS": OTHER})), STRANGER, ALLOWED, Decision.ALLOW),
        (a_key(a_statement({"AWS": STRANGER.arn})), STRANGER, [], Decision.IMPLICIT_DENY),
        (a_key(a_statement(THE_ACCOUNT)), STRANGER, ALLOWED, Decision.IMPLICIT_DENY),
        (a_key(a_statement({"Service": CLOUDTRAIL.service})), CLOUDTRAIL, [], Decision.ALLOW),
        (a_key(a_statement({"Service": "sns.amazonaws.com"})), CLOUDTRAIL, [], Decision.IMPLICIT_DENY),
        (a_key(a_statement(THE_ACCOUNT)), CLOUDTRAIL, ALLOWED, Decision.IMPLICIT_DENY),
    ],
)
def test_the_key_policy_always_has_a_say(
    key: Key, who: RequestPrincipal, identity: list[PolicyDocument], expected: Decision
) -> None:
    assert judge_key_use(DECRYPT, key, who, identity=identity).decision is expected


def test_a_session_s_policy_narrows_what_its_role_may() -> None:
    nothing = parse_policy(text(a_statement() | {"Action": "s3:GetObject"}))

    for statement, expected in (
        (a_statement({"AWS": ROLE}), Decision.IMPLICIT_DENY),
        (a_statement({"AWS": SESSION.arn}), Decision.ALLOW),
    ):
        verdict = judge_key_use(DECRYPT, a_key(statement), SESSION, identity=ALLOWED, session=nothing)
        assert verdict.decision is expected


def test_a_key_policy_that_cannot_be_read_lets_nobody_pass() -> None:
    broken = Key("11111111-1111-4111-8111-111111111111", ACCOUNT, "us-east-1", datetime(2026, 1, 1, tzinfo=UTC), "{")

    with pytest.raises(MalformedPolicy):
        judge_key_use(DECRYPT, broken, ROOT)


def test_leaving_it_to_the_account_counts_as_letting_in() -> None:
    assert is_let_in(DECRYPT, a_key(a_statement(THE_ACCOUNT)), USER, {})
    assert not is_let_in(DECRYPT, a_key(a_statement(THE_ACCOUNT)), STRANGER, {})
    assert not is_let_in("kms:PutKeyPolicy", a_key(a_statement(THE_ACCOUNT)), ROOT, {})


@pytest.mark.parametrize(
    ("condition", "is_allowed"),
    [
        ({"StringEquals": {"kms:EncryptionContext:tenant": "blue"}}, True),
        ({"StringEquals": {"kms:EncryptionContext:TENANT": "blue"}}, True),
        ({"StringEquals": {"kms:EncryptionContext:tenant": "red"}}, False),
        ({"StringLike": {"kms:EncryptionContext:tenant": "b*"}}, True),
        ({"Null": {"kms:EncryptionContext:tenant": "true"}}, False),
        ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant"]}}, True),
        ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["other"]}}, False),
        ({"StringEquals": {"kms:CallerAccount": ACCOUNT}}, True),
        ({"StringEquals": {"kms:CallerAccount": OTHER}}, False),
        ({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}, True),
        ({"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}}, False),
        ({"StringEquals": {"aws:ResourceTag/team": "audit"}}, True),
        ({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/logs"}}, True),
        ({"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/other"}}, False),
        ({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT", "kms:KeyUsage": "ENCRYPT_DECRYPT"}}, True),
        ({"Bool": {"kms:MultiRegion": "true"}}, False),
    ],
)
def test_conditions_of_a_key_policy(condition: dict[str, Any], is_allowed: bool) -> None:
    key = a_key(a_statement(THE_ACCOUNT, **condition), tags={"team": "audit"}, aliases=("alias/a", "alias/logs"))
    request = {"kms:ViaService": ("s3.us-east-1.amazonaws.com",), **context_conditions({"tenant": "blue"})}

    assert judge_key_use(DECRYPT, key, ROOT, conditions=request).is_allowed is is_allowed


def test_a_request_cannot_bring_what_only_the_key_says() -> None:
    key = a_key(a_statement(THE_ACCOUNT, StringEquals={"aws:ResourceAccount": OTHER}))

    assert not judge_key_use(DECRYPT, key, ROOT, conditions={"aws:ResourceAccount": (OTHER,)}).is_allowed


def test_context_names_that_differ_by_case_are_one_condition_key_with_all_values() -> None:
    assert context_conditions({"tenant": "red", "Tenant": "blue"}) == {
        "kms:EncryptionContext:tenant": ("blue", "red"),
        "kms:EncryptionContextKeys": ("Tenant", "tenant"),
    }
    assert context_conditions({}) == {}


def test_a_service_has_no_account() -> None:
    assert "kms:CallerAccount" not in key_conditions(a_key(a_statement("*")), CLOUDTRAIL)
