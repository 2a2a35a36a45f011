"""Who may do what with keys, asked with boto3: key policies, identity policies, conditions, other accounts."""

import json
from typing import Any

import orjson

from opentrail.identity import Credential
from tests.builders import ACCOUNT, REGION, a_credential, a_user, a_user_principal
from tests.conformance.wire.conftest import OTHER_ACCOUNT as OTHER
from tests.conformance.wire.conftest import Connect
from tests.conformance.wire.kms_calls import new_key, refusal
from tests.support.api import ApiInThread

MISSING = "99999999-9999-4999-8999-999999999999"
CONTEXT = {"tenant": "blue", "stage": "prod"}


def a_user_s(api: ApiInThread, name: str = "anaya", *statements: dict[str, Any]) -> Credential:
    """Make a user with a key and a policy."""
    policy = orjson.dumps({"Version": "2012-10-17", "Statement": list(statements)}).decode()
    api.do(api.world.identities.create_user(a_user(name, **({"only": policy} if statements else {}))))
    credential = a_credential(a_user_principal(name), f"AKIA{name.upper():0<16}")
    api.do(api.world.identities.add_credential(credential))
    return credential


def allow(*actions: str, resource: str = "*", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def key_policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def for_account(account: str = ACCOUNT) -> dict[str, Any]:
    return allow("kms:*") | {"Principal": {"AWS": f"arn:aws:iam::{account}:root"}}


def test_a_key_without_a_policy_gets_one_for_its_account_and_cloudtrail(kms: Any) -> None:
    key = new_key(kms)

    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    assert policy["Statement"][0] == {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    others = policy["Statement"][1:]
    assert {json.dumps(each["Principal"]) for each in others} == {'{"Service": "cloudtrail.amazonaws.com"}'}
    assert kms.list_key_policies(KeyId=key)["PolicyNames"] == ["default"]
    missing = ("NotFoundException", "No such policy exists")
    assert refusal(kms.get_key_policy, KeyId=key, PolicyName="other") == missing


def test_a_policy_that_would_lock_its_maker_out_needs_a_waiver(kms: Any) -> None:
    key = new_key(kms)
    lockout = key_policy(allow("kms:Decrypt") | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}})

    code, message = refusal(kms.put_key_policy, KeyId=key, Policy=lockout)
    assert code == "MalformedPolicyDocumentException"
    assert message == "The new key policy will not allow you to update the key policy in the future."
    kms.put_key_policy(KeyId=key, Policy=lockout, BypassPolicyLockoutSafetyCheck=True)
    code, message = refusal(kms.get_key_policy, KeyId=key)
    assert code == "AccessDeniedException"
    assert message.endswith("because no resource-based policy allows the kms:GetKeyPolicy action")


def test_a_user_needs_a_policy_of_its_own_or_its_name_in_the_key_policy(api: ApiInThread, connect: Connect) -> None:
    owner, user = connect("kms"), connect("kms", credential=a_user_s(api))
    key = new_key(owner)

    code, message = refusal(user.encrypt, KeyId=key, Plaintext=b"x")
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/anaya is not authorized to perform: kms:Encrypt on resource: {key} because "
        "no identity-based policy allows the kms:Encrypt action"
    )
    named = allow("kms:Encrypt") | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/anaya"}}
    owner.put_key_policy(KeyId=key, Policy=key_policy(for_account(), named))
    assert user.encrypt(KeyId=key, Plaintext=b"x")["KeyId"] == key
    assert refusal(user.describe_key, KeyId=key)[0] == "AccessDeniedException"


def test_a_user_s_policy_reaches_only_keys_that_leave_it_to_the_account(api: ApiInThread, connect: Connect) -> None:
    owner, user = connect("kms"), connect("kms", credential=a_user_s(api, "anaya", allow("kms:*")))
    root_only = allow("kms:PutKeyPolicy", "kms:Encrypt") | {"Principal": {"AWS": "*"}}
    root_only["Condition"] = {"StringEquals": {"aws:PrincipalType": "Account"}}
    key, free = new_key(owner, Policy=key_policy(root_only)), new_key(owner)

    code, message = refusal(user.encrypt, KeyId=key, Plaintext=b"x")
    assert code == "AccessDeniedException"
    assert message.endswith("because no resource-based policy allows the kms:Encrypt action")
    assert owner.encrypt(KeyId=key, Plaintext=b"x")["KeyId"] == key
    assert user.encrypt(KeyId=free, Plaintext=b"x")["KeyId"] == free


def test_policies_can_ask_for_a_context_an_alias_and_a_tag(api: ApiInThread, connect: Connect) -> None:
    owner = connect("kms")
    conditions: dict[str, Any] = {
        "StringEquals": {
            "kms:EncryptionContext:tenant": "blue",
            "kms:CallerAccount": ACCOUNT,
            "aws:ResourceTag/team": "audit",
            "kms:RequestAlias": "alias/logs",
        },
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant", "stage"]},
        "ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/lo*"},
        "Null": {"kms:ViaService": "true"},
    }
    user = connect("kms", credential=a_user_s(api, "anaya", allow("kms:Encrypt", **conditions)))
    key = new_key(owner, Tags=[{"TagKey": "team", "TagValue": "audit"}])
    owner.create_alias(AliasName="alias/logs", TargetKeyId=key)

    assert user.encrypt(KeyId="alias/logs", Plaintext=b"x", EncryptionContext=CONTEXT)["KeyId"] == key
    for key_id, context in (
        (key, CONTEXT),
        ("alias/logs", {"tenant": "red"}),
        ("alias/logs", {}),
        ("alias/logs", {**CONTEXT, "more": ""}),
    ):
        code, _ = refusal(user.encrypt, KeyId=key_id, Plaintext=b"x", EncryptionContext=context)
        assert code == "AccessDeniedException"
    owner.untag_resource(KeyId=key, TagKeys=["team"])
    code, _ = refusal(user.encrypt, KeyId="alias/logs", Plaintext=b"x", EncryptionContext=CONTEXT)
    assert code == "AccessDeniedException"


def test_making_and_naming_keys_needs_leave_of_ones_own(api: ApiInThread, connect: Connect) -> None:
    owner, user = (
        connect("kms"),
        connect("kms", credential=a_user_s(api, "anaya", allow("kms:CreateKey", "kms:ListKeys"))),
    )
    key = new_key(user)

    assert refusal(user.create_key, Tags=[{"TagKey": "a", "TagValue": ""}])[0] == "AccessDeniedException"
    assert refusal(user.list_aliases)[0] == "AccessDeniedException"
    assert refusal(user.generate_random, NumberOfBytes=1)[0] == "AccessDeniedException"
    assert [each["KeyArn"] for each in user.list_keys()["Keys"]] == [key]
    owner.create_alias(AliasName="alias/logs", TargetKeyId=key)
    on_key = connect("kms", credential=a_user_s(api, "keyonly", allow("kms:DeleteAlias", resource=key)))
    assert refusal(on_key.delete_alias, AliasName="alias/logs")[0] == "AccessDeniedException"


def test_the_keys_of_two_accounts_are_strangers(kms: Any, other: Any) -> None:
    key = new_key(kms)
    kms.create_alias(AliasName="alias/logs", TargetKeyId=key)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    absent = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{MISSING}"

    assert other.list_keys()["Keys"] == []
    assert other.list_aliases()["Aliases"] == []
    hidden = {refusal(other.describe_key, KeyId=arn) for arn in (key, absent)}
    assert hidden == {
        (
            "AccessDeniedException",
            f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: kms:DescribeKey on this resource because "
            "the resource does not exist in this Region, no resource-based policies allow access, or a resource-based "
            "policy explicitly denies access",
        )
    }
    assert refusal(other.describe_key, KeyId="alias/logs")[0] == "NotFoundException"
    assert refusal(other.decrypt, CiphertextBlob=sealed)[1].startswith("The ciphertext refers to a customer master key")


def test_a_key_policy_can_let_another_account_use_a_key_and_not_manage_it(kms: Any, other: Any) -> None:
    key = new_key(kms, Policy=key_policy(for_account(), for_account(OTHER)))
    sealed = kms.encrypt(KeyId=key, Plaintext=b"shared")["CiphertextBlob"]

    assert other.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"shared"
    assert other.describe_key(KeyId=key)["KeyMetadata"]["AWSAccountId"] == ACCOUNT
    assert refusal(other.disable_key, KeyId=key)[0] == "AccessDeniedException"
    assert refusal(other.schedule_key_deletion, KeyId=key)[0] == "AccessDeniedException"
