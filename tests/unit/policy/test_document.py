import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.policy.document import MAX_POLICY_CHARACTERS, MalformedPolicy, PolicyKind, parse_policy
from opentrail.policy.evaluation import AccessRequest, Decision, evaluate

ELEMENTS = st.sampled_from(
    ["Version", "Id", "Statement", "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"]
) | st.sampled_from(["Principal", "NotPrincipal", "Condition", "StringEquals", "IpAddress", "Null", "AWS", "x"])
VALUES = st.sampled_from(
    ["Allow", "Deny", "*", "s3:*", "arn:aws:s3:::b/${aws:username}", "2012-10-17", "true", "1", ""]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ELEMENTS, inner, max_size=6),
    max_leaves=25,
)
STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": VALUES | st.lists(VALUES)},
    optional={"Resource": VALUES | st.lists(VALUES), "Principal": ANY_JSON, "Condition": ANY_JSON, "Sid": ANY_JSON},
)
POLICIES = st.fixed_dictionaries({"Statement": STATEMENTS})


@settings(max_examples=300)
@given(st.text(max_size=50) | ANY_JSON.map(json.dumps) | POLICIES.map(json.dumps))
def test_any_text_is_a_policy_or_malformed(text: str) -> None:
    try:
        document = parse_policy(text)
    except MalformedPolicy:
        return

    decision = evaluate([document], AccessRequest("s3:GetObject", "arn:aws:s3:::b/alice", {"aws:username": ["alice"]}))
    assert decision in Decision


def test_a_policy_is_bounded() -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    text = json.dumps({"Statement": statement})
    padded = text + " " * (MAX_POLICY_CHARACTERS - len(text))

    assert len(parse_policy(padded).statements) == 1
    with pytest.raises(MalformedPolicy, match="at most 32768 characters"):
        parse_policy(padded + " ")


def test_deep_nesting_is_malformed_and_no_crash() -> None:
    with pytest.raises(MalformedPolicy):
        parse_policy("[" * MAX_POLICY_CHARACTERS)
    with pytest.raises(MalformedPolicy):
        parse_policy('{"Statement":' * 1_500)


def test_one_statement_may_stand_without_a_list() -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Sid": "Read"}

    one = parse_policy(json.dumps({"Statement": statement}))
    several = parse_policy(json.dumps({"Statement": [statement, {**statement, "Sid": "B"}]}))

    assert [each.sid for each in one.statements] == ["Read"]
    assert [each.sid for each in several.statements] == ["Read", "B"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (PolicyKind.IDENTITY, {"Resource": "*"}),
        (PolicyKind.RESOURCE, {"Resource": "*", "Principal": "*"}),
        (PolicyKind.TRUST, {"Principal": {"AWS": "123456789012"}}),
    ],
)
def test_each_kind_takes_what_it_must_have(kind: PolicyKind, more: dict[str, object]) -> None:
    text = json.dumps({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", **more}})

    assert len(parse_policy(text, kind).statements) == 1


def test_a_long_name_does_not_fill_the_message() -> None:
    with pytest.raises(MalformedPolicy) as refused:
        parse_policy(json.dumps({"Statement": {"Effect": "Allow", "Action": "x" * 9_000, "Resource": "*"}}))

    assert len(str(refused.value)) < 300
