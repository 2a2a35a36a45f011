"""ListPublicKeys: the public halves of the keys that sign a Region's digest files."""

from datetime import datetime

from opentrail.aws.cloudtrail.errors import InvalidTimeRangeException, InvalidTokenException
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.signer import PublicKey
from opentrail.protocol import Parameters


async def list_public_keys(ports: ApiPorts, call: Call) -> Outcome:
    """List the keys of the called Region whose validity meets the range; without times, today's.

    A Region has a key from its first question on: when the range holds the present and there is none, one is made. All
    keys fit on one page, so no token is ever given out or taken.
    """
    if call.parameters.get("NextToken"):
        raise InvalidTokenException
    now = call.received_at
    end: datetime = call.parameters.get("EndTime", now)
    start: datetime = call.parameters.get("StartTime", end)
    if start > end:
        raise InvalidTimeRangeException
    if start <= now <= end:
        await ports.signer.current_key(call.region, now)
    keys = await ports.signer.public_keys(call.region, start, end)
    return Outcome({"PublicKeyList": [_wire_key(key) for key in keys]})


def _wire_key(key: PublicKey) -> Parameters:
    return {
        "Value": key.der,
        "ValidityStartTime": key.valid_from,
        "ValidityEndTime": key.valid_until,
        "Fingerprint": key.fingerprint,
    }
