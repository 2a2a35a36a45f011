"""STS as boto3 sees it, and what its credentials can do."""

import base64
import re
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from opentrail.identity import Credential
from tests.builders import ACCOUNT, a_credential, a_role, a_root, a_user, a_user_principal
from tests.support.api import ApiInThread, recorded

Connect = Callable[..., Any]

ALLOW_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
READ_ONLY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cloudtrail:Describe*","Resource":"*"}]}'
TRUST_ACCOUNT = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},'
    '"Action":["sts:AssumeRole","sts:SetSourceIdentity"]}]}'
)
TRUST_WITH_EXTERNAL_ID = TRUST_ACCOUNT.replace(
    '"Action":["sts', '"Condition":{"StringEquals":{"sts:ExternalId":"secret-word"}},"Action":["sts'
)
ROLE = a_role().arn


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def credential_of(credentials: dict[str, Any]) -> Credential:
    return Credential(
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        a_root(),
        session_token=credentials["SessionToken"],
    )


@pytest.fixture
def anaya(api: ApiInThread) -> Credential:
    """A user who may do everything."""
    api.do(api.world.identities.create_user(a_user(all=ALLOW_ALL)))
    credential = a_credential(a_user_principal(), "AKIAUSERUSERUSERUSER")
    api.do(api.world.identities.add_credential(credential))
    return credential


def add_role(api: ApiInThread, trust_policy: str = TRUST_ACCOUNT, **policies: str) -> None:
    api.do(api.world.identities.create_role(a_role(trust_policy=trust_policy, **policies)))


def test_owner_is_root(connect: Connect) -> None:
    identity = connect("sts").get_caller_identity()

    assert (identity["Account"], identity["UserId"]) == (ACCOUNT, ACCOUNT)
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_presigned_get_caller_identity_is_answered(connect: Connect) -> None:
    url = connect("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")

    with urllib.request.urlopen(url) as response:
        assert f"<Account>{ACCOUNT}</Account>".encode() in response.read()


def test_assumed_role_signs_calls_of_its_own(api: ApiInThread, connect: Connect, anaya: Credential) -> None:
    add_role(api, read=READ_ONLY)

    answer = connect("sts", credential=anaya).assume_role(RoleArn=ROLE, RoleSessionName="review")

    session = credential_of(answer["Credentials"])
    role_id = a_role().role_id
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", session.access_key_id)
    assert len(session.secret_access_key) == 40
    assert len(session.session_token) >= 356
    assert answer["AssumedRoleUser"] == {
        "AssumedRoleId": f"{role_id}:review",
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/review",
    }
    left = answer["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert connect("sts", credential=session).get_caller_identity()["UserId"] == f"{role_id}:review"
    connect("cloudtrail", credential=session).describe_trails()
    code, message = refusal(connect("cloudtrail", credential=session).list_trails)
    assert code == "AccessDeniedException"
    assert "assumed-role/auditor/review is not authorized to perform: cloudtrail:ListTrails" in message


def test_session_is_on_record_with_its_role_and_no_secret(
    api: ApiInThread, connect: Connect, anaya: Credential
) -> None:
    add_role(api, all=ALLOW_ALL)
    sts = connect("sts", credential=anaya)

    answer = sts.assume_role(RoleArn=ROLE, RoleSessionName="review", SourceIdentity="anaya")
    connect("cloudtrail", credential=credential_of(answer["Credentials"])).list_trails()

    assumed, listed = recorded(api.world)
    identity = listed["userIdentity"]
    assert (identity["type"], identity["sessionContext"]["sessionIssuer"]["userName"]) == ("AssumedRole", "auditor")
    assert identity["sessionContext"]["sourceIdentity"] == "anaya"
    assert assumed["awsRegion"] == "us-east-1"
    for secret in ("SecretAccessKey", "SessionToken"):
        assert answer["Credentials"][secret] not in str(assumed)


def test_expired_session_is_refused(api: ApiInThread, connect: Connect, anaya: Credential) -> None:
    add_role(api, all=ALLOW_ALL)
    answer = connect("sts", credential=anaya).assume_role(RoleArn=ROLE, RoleSessionName="review", DurationSeconds=900)
    session = credential_of(answer["Credentials"])

    api.do(_expire(api, session))

    assert refusal(connect("cloudtrail", credential=session).list_trails)[0] == "ExpiredTokenException"
    assert refusal(connect("sts", credential=session).get_caller_identity)[0] == "ExpiredToken"
    assert refusal(connect("s3", credential=session).list_buckets)[0] == "ExpiredToken"


async def _expire(api: ApiInThread, session: Credential) -> None:
    known = await api.world.identities.credential(session.access_key_id)
    assert known is not None
    await api.world.identities.delete_credential(session.access_key_id)
    await api.world.identities.add_credential(replace(known, expires_at=datetime.now(UTC)))


def test_session_policy_narrows_the_role(api: ApiInThread, connect: Connect, anaya: Credential) -> None:
    add_role(api, all=ALLOW_ALL)

    answer = connect("sts", credential=anaya).assume_role(RoleArn=ROLE, RoleSessionName="review", Policy=READ_ONLY)

    cloudtrail = connect("cloudtrail", credential=credential_of(answer["Credentials"]))
    cloudtrail.describe_trails()
    assert "no session policy allows" in refusal(cloudtrail.list_trails)[1]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"RoleArn": ROLE + "-missing"}, "AccessDenied"),
        ({"RoleArn": "arn:aws:iam::123456789012:user/anaya"}, "ValidationError"),
        ({"DurationSeconds": 3601}, "ValidationError"),
        ({"DurationSeconds": 60}, "ValidationError"),
        ({"Policy": "{}"}, "MalformedPolicyDocument"),
        ({"Policy": "not json"}, "MalformedPolicyDocument"),
        ({"Policy": ALLOW_ALL + " " * 2048}, "PackedPolicyTooLarge"),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}, "ValidationError"),
        ({"SerialNumber": "arn:aws:iam::123456789012:mfa/anaya", "TokenCode": "123456"}, "AccessDenied"),
    ],
)
def test_errors_of_assume_role(
    api: ApiInThread, connect: Connect, anaya: Credential, members: dict[str, Any], code: str
) -> None:
    add_role(api)
    sts = connect("sts", credential=anaya)

    def assume() -> object:
        return sts.assume_role(**({"RoleArn": ROLE, "RoleSessionName": "review"} | members))

    assert refusal(assume)[0] == code


def test_role_that_is_not_there_is_denied_like_one_that_does_not_trust(
    api: ApiInThread, connect: Connect, anaya: Credential
) -> None:
    nobody = TRUST_ACCOUNT.replace(ACCOUNT, "999999999999")
    sts = connect("sts", credential=anaya)

    missing = refusal(lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="review"))
    add_role(api, nobody)
    untrusting = refusal(lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="review"))

    assert missing == untrusting
    assert missing[0] == "AccessDenied"


def test_external_id_is_asked_for(api: ApiInThread, connect: Connect, anaya: Credential) -> None:
    add_role(api, TRUST_WITH_EXTERNAL_ID)
    sts = connect("sts", credential=anaya)

    assert refusal(lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="review"))[0] == "AccessDenied"
    assert sts.assume_role(RoleArn=ROLE, RoleSessionName="review", ExternalId="secret-word")["Credentials"]


def test_root_cannot_assume_roles(api: ApiInThread, connect: Connect) -> None:
    add_role(api)

    answer = refusal(lambda: connect("sts").assume_role(RoleArn=ROLE, RoleSessionName="review"))

    assert answer == ("AccessDenied", "Roles may not be assumed by root accounts.")


def test_chained_role_lasts_an_hour_and_keeps_its_source_identity(
    api: ApiInThread, connect: Connect, anaya: Credential
) -> None:
    role = replace(a_role(trust_policy=TRUST_ACCOUNT, all=ALLOW_ALL), max_session_seconds=43_200)
    api.do(api.world.identities.create_role(role))
    first = connect("sts", credential=anaya).assume_role(
        RoleArn=ROLE, RoleSessionName="one", SourceIdentity="anaya", DurationSeconds=43_200
    )
    chained = connect("sts", credential=credential_of(first["Credentials"]))

    second = chained.assume_role(RoleArn=ROLE, RoleSessionName="two")

    assert second["SourceIdentity"] == "anaya"
    assert (
        "1 hour session limit"
        in refusal(lambda: chained.assume_role(RoleArn=ROLE, RoleSessionName="two", DurationSeconds=3601))[1]
    )
    assert refusal(lambda: chained.assume_role(RoleArn=ROLE, RoleSessionName="two", SourceIdentity="other"))[0] == (
        "AccessDenied"
    )


def test_session_token_of_a_user_acts_as_the_user(connect: Connect, anaya: Credential) -> None:
    answer = connect("sts", credential=anaya).get_session_token()

    session = credential_of(answer["Credentials"])
    left = answer["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(hours=11) < left <= timedelta(hours=12)
    assert connect("sts", credential=session).get_caller_identity()["Arn"] == anaya.principal.arn
    connect("cloudtrail", credential=session).list_trails()
    assert refusal(connect("sts", credential=session).get_session_token) == (
        "AccessDenied",
        "Cannot call GetSessionToken with session credentials",
    )


def test_session_token_of_root_lasts_an_hour_at_most(connect: Connect) -> None:
    answer = connect("sts").get_session_token(DurationSeconds=36_000)

    assert answer["Credentials"]["Expiration"] - datetime.now(UTC) <= timedelta(hours=1)
    assert refusal(lambda: connect("sts").get_session_token(SerialNumber="x" * 9, TokenCode="123456"))[0] == (
        "AccessDenied"
    )
    assert refusal(lambda: connect("sts").get_session_token(DurationSeconds=60))[0] == "ValidationError"


def test_operation_that_is_not_answered_says_so(connect: Connect) -> None:
    assert refusal(lambda: connect("sts").assume_root(TargetPrincipal=ACCOUNT, TaskPolicyArn={"arn": "a" * 20}))[0] == (
        "InvalidAction"
    )


def test_federated_user_may_do_what_its_policy_and_its_maker_may(
    api: ApiInThread, connect: Connect, anaya: Credential
) -> None:
    answer = connect("sts", credential=anaya).get_federation_token(Name="guest", Policy=READ_ONLY)

    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    guest = credential_of(answer["Credentials"])
    assert answer["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:guest", "Arn": arn}
    assert connect("sts", credential=guest).get_caller_identity()["UserId"] == f"{ACCOUNT}:guest"
    connect("cloudtrail", credential=guest).describe_trails()
    assert "no session policy allows" in refusal(connect("cloudtrail", credential=guest).list_trails)[1]
    identity = recorded(api.world)[-1]["userIdentity"]
    assert list(identity) == ["type", "principalId", "arn", "accountId", "accessKeyId", "sessionContext"]
    assert identity["type"] == "FederatedUser"
    assert identity["sessionContext"]["sessionIssuer"] == {
        "type": "IAMUser",
        "principalId": anaya.principal.principal_id,
        "arn": anaya.principal.arn,
        "accountId": ACCOUNT,
        "userName": "anaya",
    }


def test_federated_user_without_a_policy_may_do_nothing(connect: Connect) -> None:
    answer = connect("sts").get_federation_token(Name="guest")

    guest = credential_of(answer["Credentials"])
    assert refusal(connect("cloudtrail", credential=guest).describe_trails)[0] == "AccessDeniedException"
    assert connect("sts", credential=guest).get_caller_identity()["Account"] == ACCOUNT
    assert answer["Credentials"]["Expiration"] - datetime.now(UTC) <= timedelta(hours=1)


def test_federated_user_of_root_may_do_what_its_policy_says(connect: Connect) -> None:
    answer = connect("sts").get_federation_token(Name="guest", Policy=READ_ONLY)

    cloudtrail = connect("cloudtrail", credential=credential_of(answer["Credentials"]))
    cloudtrail.describe_trails()
    assert refusal(cloudtrail.list_trails)[0] == "AccessDeniedException"


def test_federated_users_are_made_with_long_lived_keys_by_those_who_may(
    api: ApiInThread, connect: Connect, anaya: Credential
) -> None:
    add_role(api, all=ALLOW_ALL)
    guest = credential_of(connect("sts", credential=anaya).get_federation_token(Name="guest")["Credentials"])
    api.do(api.world.identities.put_policy(anaya.principal.arn, "all", READ_ONLY))
    session = credential_of(connect("sts", credential=anaya).get_session_token()["Credentials"])

    def make(credential: Credential) -> tuple[str, str]:
        return refusal(lambda: connect("sts", credential=credential).get_federation_token(Name="guest"))

    def assume(credential: Credential) -> tuple[str, str]:
        return refusal(
            lambda: connect("sts", credential=credential).assume_role(RoleArn=ROLE, RoleSessionName="review")
        )

    assert make(anaya) == (
        "AccessDenied",
        f"User: {anaya.principal.arn} is not authorized to perform: sts:GetFederationToken on resource: "
        f"arn:aws:sts::{ACCOUNT}:federated-user/guest because no identity-based policy allows the "
        "sts:GetFederationToken action",
    )
    assert make(session)[0] == make(guest)[0] == "AccessDenied"
    assert assume(guest)[0] == "AccessDenied"


def test_second_role_of_a_chain_is_recorded_with_its_own_issuer(
    api: ApiInThread, connect: Connect, anaya: Credential
) -> None:
    add_role(api, all=ALLOW_ALL)
    trust = TRUST_ACCOUNT.replace(f"arn:aws:iam::{ACCOUNT}:root", ROLE)
    api.do(api.world.identities.create_role(a_role("second", trust_policy=trust, all=ALLOW_ALL)))
    first = connect("sts", credential=anaya).assume_role(RoleArn=ROLE, RoleSessionName="one", SourceIdentity="anaya")
    second = connect("sts", credential=credential_of(first["Credentials"])).assume_role(
        RoleArn=a_role("second").arn, RoleSessionName="two"
    )

    connect("cloudtrail", credential=credential_of(second["Credentials"])).list_trails()

    chained, listed = recorded(api.world)[-2:]
    assert chained["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == ROLE
    assert listed["userIdentity"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/second/two"
    assert listed["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == a_role("second").arn
    assert listed["userIdentity"]["sessionContext"]["sourceIdentity"] == "anaya"


def test_tokens_of_identity_providers_are_refused_as_of_unknown_ones_and_folded_on_record(
    api: ApiInThread, connect: Connect
) -> None:
    add_role(api)
    unsigned = connect("sts", config=Config(signature_version=UNSIGNED))
    claims = base64.urlsafe_b64encode(b'{"iss":"https://id.example.com","sub":"repo:one","aud":"sts"}').decode()

    web = refusal(
        lambda: unsigned.assume_role_with_web_identity(
            RoleArn=ROLE, RoleSessionName="ci", WebIdentityToken=f"e30.{claims}.c2ln"
        )
    )
    opaque = refusal(
        lambda: unsigned.assume_role_with_web_identity(
            RoleArn=ROLE, RoleSessionName="ci", WebIdentityToken="opaque-token"
        )
    )
    saml = refusal(
        lambda: unsigned.assume_role_with_saml(
            RoleArn=ROLE, PrincipalArn=f"arn:aws:iam::{ACCOUNT}:saml-provider/idp", SAMLAssertion="YXNzZXJ0aW9u"
        )
    )

    assert web == (
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://id.example.com",
    )
    assert opaque[0] == "InvalidIdentityToken"
    assert saml == ("InvalidIdentityToken", "Specified provider doesn't exist")
    (event,) = recorded(api.world)
    assert event["userIdentity"]["type"] == "WebIdentityUser"
    assert event["userIdentity"]["userName"] == "repo:one"
    assert event["recipientAccountId"] == ACCOUNT
