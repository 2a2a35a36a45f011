"""One-time codes as boto3 sends them: what they open, that each opens it once, and what the record says."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.identity import Credential
from opentrail.identity.mfa import MAX_WRONG_CODES, STEP_SECONDS, MfaDevice, code_at, step_at
from tests.builders import ACCOUNT, NOON, a_credential, a_role, a_root, a_user, a_user_principal
from tests.support.api import ApiInThread, recorded

Connect = Callable[..., Any]

SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/anaya"
ROLE = a_role().arn
WRONG_CODE = ("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
ALLOW_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
ALLOW_WITH_MFA = ALLOW_ALL.replace(
    '"Resource":"*"', '"Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}'
)
ALLOW_WITH_FRESH_MFA = ALLOW_ALL.replace(
    '"Resource":"*"', '"Resource":"*","Condition":{"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}}'
)
TRUST_WITH_MFA = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},'
    '"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}'
)


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def credential_of(answer: dict[str, Any]) -> Credential:
    given = answer["Credentials"]
    return Credential(given["AccessKeyId"], given["SecretAccessKey"], a_root(), session_token=given["SessionToken"])


class Authenticator:
    """What the user has in hand: the device's secret and a watch."""

    def __init__(self, device: MfaDevice, now: Callable[[], datetime]) -> None:
        self._device = device
        self._now = now

    def code(self, steps: int = 0) -> str:
        return code_at(self._device.secret, step_at(self._now()) + steps)

    def wrong_code(self) -> str:
        near = {self.code(steps) for steps in (-1, 0, 1)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


@pytest.fixture
def authenticator(api: ApiInThread) -> Authenticator:
    """The authenticator of a user who may do everything with MFA, and nothing without."""
    api.do(api.world.identities.create_user(a_user(all=ALLOW_WITH_MFA)))
    api.do(api.world.identities.add_credential(a_credential(a_user_principal(), "AKIAUSERUSERUSERUSER")))
    device = MfaDevice(SERIAL, a_user_principal().arn, b"12345678901234567890", NOON)
    api.do(api.world.identities.add_mfa_device(device))
    return Authenticator(device, api.world.clock.now)


@pytest.fixture
def sts(connect: Connect, authenticator: Authenticator) -> Any:
    return connect("sts", credential=a_credential(a_user_principal(), "AKIAUSERUSERUSERUSER"))


def test_session_begun_with_a_code_is_mfa_authenticated_in_policies_and_on_record(
    api: ApiInThread, connect: Connect, sts: Any, authenticator: Authenticator
) -> None:
    without = connect("cloudtrail", credential=credential_of(sts.get_session_token()))
    assert refusal(without.list_trails)[0] == "AccessDeniedException"

    code = authenticator.code()
    answer = sts.get_session_token(SerialNumber=SERIAL, TokenCode=code)
    connect("cloudtrail", credential=credential_of(answer)).list_trails()

    first, denied, begun, listed = recorded(api.world)
    assert [event["eventName"] for event in (first, denied, begun, listed)] == [
        "GetSessionToken",
        "ListTrails",
        "GetSessionToken",
        "ListTrails",
    ]
    assert denied["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"] == "false"
    assert listed["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"] == "true"
    assert "sessionContext" not in begun["userIdentity"]
    assert begun["requestParameters"]["serialNumber"] == SERIAL


@pytest.mark.parametrize("steps", [-1, 1])
def test_code_of_the_step_before_or_after_is_taken(sts: Any, authenticator: Authenticator, steps: int) -> None:
    assert sts.get_session_token(SerialNumber=SERIAL, TokenCode=authenticator.code(steps))["Credentials"]


@pytest.mark.parametrize("steps", [-2, 2])
def test_code_of_two_steps_off_is_wrong(sts: Any, authenticator: Authenticator, steps: int) -> None:
    code = authenticator.code(steps)

    assert refusal(lambda: sts.get_session_token(SerialNumber=SERIAL, TokenCode=code)) == WRONG_CODE


def test_code_is_taken_once(api: ApiInThread, sts: Any, authenticator: Authenticator) -> None:
    code = authenticator.code()
    sts.get_session_token(SerialNumber=SERIAL, TokenCode=code)

    assert refusal(lambda: sts.get_session_token(SerialNumber=SERIAL, TokenCode=code)) == WRONG_CODE
    assert recorded(api.world)[-1]["errorCode"] == "AccessDenied"


def test_right_code_is_refused_after_too_many_wrong_ones(sts: Any, authenticator: Authenticator) -> None:
    wrong = authenticator.wrong_code()
    for _ in range(MAX_WRONG_CODES):
        assert refusal(lambda: sts.get_session_token(SerialNumber=SERIAL, TokenCode=wrong)) == WRONG_CODE

    right = authenticator.code()

    assert refusal(lambda: sts.get_session_token(SerialNumber=SERIAL, TokenCode=right)) == WRONG_CODE


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"SerialNumber": SERIAL}, "must provide both MFA serial number and one time pass code"),
        ({"TokenCode": "123456"}, "must provide both MFA serial number and one time pass code"),
        ({"SerialNumber": SERIAL + "x", "TokenCode": "123456"}, "unable to validate MFA code"),
    ],
)
def test_half_a_pair_and_another_s_device_are_refused(sts: Any, members: dict[str, str], message: str) -> None:
    code, said = refusal(lambda: sts.get_session_token(**members))

    assert code == "AccessDenied"
    assert message in said


def test_root_has_no_device_here(connect: Connect, authenticator: Authenticator) -> None:
    code = authenticator.code()

    assert (
        "unable to validate"
        in refusal(lambda: connect("sts").get_session_token(SerialNumber=SERIAL, TokenCode=code))[1]
    )


def test_role_that_trusts_with_mfa_asks_for_the_code_of_this_very_call(
    api: ApiInThread, connect: Connect, sts: Any, authenticator: Authenticator
) -> None:
    api.do(api.world.identities.create_role(a_role(trust_policy=TRUST_WITH_MFA, all=ALLOW_WITH_FRESH_MFA)))

    without = refusal(lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="review"))
    answer = sts.assume_role(
        RoleArn=ROLE, RoleSessionName="review", SerialNumber=SERIAL, TokenCode=authenticator.code()
    )
    connect("cloudtrail", credential=credential_of(answer)).list_trails()

    assert without[0] == "AccessDenied"
    attributes = recorded(api.world)[-1]["userIdentity"]["sessionContext"]["attributes"]
    assert attributes["mfaAuthenticated"] == "true"


def test_session_begun_with_a_code_is_let_in_by_a_role_that_trusts_with_mfa(
    api: ApiInThread, connect: Connect, sts: Any, authenticator: Authenticator
) -> None:
    api.do(api.world.identities.create_role(a_role(trust_policy=TRUST_WITH_MFA, all=ALLOW_ALL)))
    session = sts.get_session_token(SerialNumber=SERIAL, TokenCode=authenticator.code())

    answer = connect("sts", credential=credential_of(session)).assume_role(RoleArn=ROLE, RoleSessionName="review")

    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/review"


def test_second_role_of_a_chain_is_not_mfa_authenticated(
    api: ApiInThread, connect: Connect, sts: Any, authenticator: Authenticator
) -> None:
    api.do(api.world.identities.create_role(a_role(trust_policy=TRUST_WITH_MFA, all=ALLOW_ALL)))
    first = sts.assume_role(RoleArn=ROLE, RoleSessionName="one", SerialNumber=SERIAL, TokenCode=authenticator.code())

    second = connect("sts", credential=credential_of(first)).assume_role(RoleArn=ROLE, RoleSessionName="two")
    connect("cloudtrail", credential=credential_of(second)).list_trails()

    attributes = recorded(api.world)[-1]["userIdentity"]["sessionContext"]["attributes"]
    assert attributes["mfaAuthenticated"] == "false"


def test_codes_are_not_on_record(api: ApiInThread, sts: Any, authenticator: Authenticator) -> None:
    code = authenticator.code()
    sts.get_session_token(SerialNumber=SERIAL, TokenCode=code)

    parameters = recorded(api.world)[-1]["requestParameters"]
    assert STEP_SECONDS == 30
    assert code not in str(parameters)
