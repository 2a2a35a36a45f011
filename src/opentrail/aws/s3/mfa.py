"""MFA delete: the one-time code of the owner's device in ``x-amz-mfa: SERIAL CODE``."""

from opentrail.arn import root_arn
from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.service import ApiPorts, Call
from opentrail.ports.identity_store import NoSuchEntity

_REQUIRED = "Mfa Authentication must be used for this request"
_INVALID = "MFA authentication failed: the serial number or the one-time code is not right."


async def check_mfa(ports: ApiPorts, call: Call, account_id: str) -> None:
    """Raise AccessDenied unless the call brings a right code of the device of the account's owner; the code is spent.

    A wrong device, a wrong code and a device that is locked out are told apart nowhere.
    """
    serial_number, _, code = call.parameters.get("MFA", "").partition(" ")
    if not serial_number or not code:
        raise AccessDenied(_REQUIRED)
    try:
        is_right = await ports.identities.try_mfa_code(root_arn(account_id), serial_number, code, call.received_at)
    except NoSuchEntity as error:
        raise AccessDenied(_INVALID) from error
    if not is_right:
        raise AccessDenied(_INVALID)
