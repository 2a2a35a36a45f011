"""The errors of CloudTrail Data's service model: one class per shape, each text once."""

from opentrail.errors import AwsError


class ChannelNotFound(AwsError):
    """No such channel in this Region."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The channel {arn[:300]} could not be found.")


class InvalidChannelARN(AwsError):
    """The text is not a channel's ARN."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The specified channel ARN {arn[:300]} is not a valid channel ARN.")


class ChannelInsufficientPermission(AwsError):
    """The channel's policy does not let the caller in."""

    def __init__(self) -> None:
        super().__init__("The caller's account ID must be the same as the channel owner's account ID, or be allowed.")


class DuplicatedAuditEventId(AwsError):
    """Two entries of one request have the same id."""

    def __init__(self, event_id: str) -> None:
        super().__init__(f"Two or more entries in the request have the same event ID: {event_id}")
