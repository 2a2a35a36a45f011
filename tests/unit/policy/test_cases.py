"""The cases of cases.json: what policies decide, and what is no policy.

A case of ``evaluation`` has the policies (JSON objects), the request (action, resource, context: condition keys with
their values, principal: account, arn, role, service) and the decision. A case of ``malformed`` has what is no policy
(a JSON object, or text as it stands), perhaps the kind of policy that it should have been, and a part of the message.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from opentrail.policy.document import MalformedPolicy, PolicyKind, parse_policy
from opentrail.policy.evaluation import AccessRequest, Decision, RequestPrincipal, evaluate

CASES = json.loads(Path(__file__).with_name("cases.json").read_text())


def a_principal(case: dict[str, Any]) -> RequestPrincipal | None:
    written = case.get("principal")
    if written is None:
        return None
    return RequestPrincipal(
        account_id=written.get("account", ""),
        arn=written.get("arn", ""),
        role_arn=written.get("role", ""),
        service=written.get("service", ""),
    )


@pytest.mark.parametrize("case", CASES["evaluation"], ids=lambda case: case["claim"])
def test_decision(case: dict[str, Any]) -> None:
    documents = [parse_policy(json.dumps(policy)) for policy in case["policies"]]
    request = AccessRequest(case["action"], case["resource"], case.get("context", {}), a_principal(case))

    assert evaluate(documents, request) is Decision(case["decision"])


@pytest.mark.parametrize("case", CASES["malformed"], ids=lambda case: case["claim"])
def test_malformed(case: dict[str, Any]) -> None:
    text = case["policy"] if isinstance(case["policy"], str) else json.dumps(case["policy"])
    kind = PolicyKind(case["kind"]) if "kind" in case else None

    with pytest.raises(MalformedPolicy) as refused:
        parse_policy(text, kind)

    assert case["message"] in str(refused.value)


def test_claims_are_told_once() -> None:
    for cases in CASES.values():
        claims = [case["claim"] for case in cases]
        assert len(set(claims)) == len(claims)
