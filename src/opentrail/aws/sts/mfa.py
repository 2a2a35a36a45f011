"""One-time codes that callers send along: SerialNumber and TokenCode against the MFA device of the calling user."""

from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.service import ApiPorts, Call
from opentrail.identity import PrincipalType
from opentrail.ports.identity_store import NoSuchEntity

NOT_BOTH = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
WRONG_CODE = "MultiFactorAuthentication failed with invalid MFA one time pass code."
WRONG_DEVICE = (
    "MultiFactorAuthentication failed, unable to validate MFA code. Please verify your MFA serial number is valid and "
    "associated with this user."
)


async def check_mfa(ports: ApiPorts, call: Call) -> bool:
    """Say whether the call brought a right one-time code; False when it names no device at all.

    The code is spent, whatever becomes of the call. Raises AccessDenied in STS's words for half of the pair, for a
    device that is not the calling user's, and for a wrong, spent or locked-out code, which are told apart nowhere.
    """
    serial_number, code = call.parameters.get("SerialNumber", ""), call.parameters.get("TokenCode", "")
    if not serial_number and not code:
        return False
    if not serial_number or not code:
        raise AccessDenied(NOT_BOTH)
    if call.caller.type is not PrincipalType.IAM_USER:
        raise AccessDenied(WRONG_DEVICE)
    try:
        is_right = await ports.identities.try_mfa_code(call.caller.arn, serial_number, code, call.received_at)
    except NoSuchEntity as error:
        raise AccessDenied(WRONG_DEVICE) from error
    if not is_right:
        raise AccessDenied(WRONG_CODE)
    return True
