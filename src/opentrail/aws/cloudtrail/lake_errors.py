"""The errors of event data stores, channels and resource policies: one class per shape, each text once."""

from opentrail.errors import AwsError


class EventDataStoreAlreadyExistsException(AwsError):
    """The name is taken in this account and Region."""

    def __init__(self, name: str) -> None:
        super().__init__(f"An event data store with the name {name} already exists.")


class EventDataStoreMaxLimitExceededException(AwsError):
    """A Region has as many event data stores, those pending deletion included, as it may have."""

    def __init__(self, account_id: str, quota: int, region: str) -> None:
        super().__init__(f"The account {account_id} already has {quota} event data stores in {region}.")


class EventDataStoreTerminationProtectedException(AwsError):
    """Termination protection has to be switched off first."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The event data store {arn} cannot be deleted because termination protection is enabled.")


class InactiveEventDataStoreException(AwsError):
    """The event data store is pending deletion."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The event data store {arn} is inactive: it is pending deletion.")


class InvalidEventDataStoreStatusException(AwsError):
    """The operation needs another status."""

    def __init__(self, arn: str, status: str, wanted: str) -> None:
        super().__init__(f"The event data store {arn} has the status {status}; the operation requires {wanted}.")


class InvalidEventDataStoreCategoryException(AwsError):
    """The operation is not for event data stores of this category."""

    def __init__(self, arn: str, category: str) -> None:
        super().__init__(f"The operation is not supported for the event category {category} of {arn}.")


class ChannelExistsForEDSException(AwsError):
    """A channel still brings events to the event data store."""

    def __init__(self, arn: str, channel: str) -> None:
        super().__init__(f"The event data store {arn} cannot be deleted while the channel {channel} uses it.")


class ChannelARNInvalidException(AwsError):
    """The text is neither the ARN nor the id of a channel."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"{arn[:300]} is not a valid channel ARN or id.")


class ChannelAlreadyExistsException(AwsError):
    """The name is taken, or the partner's one channel is there."""

    @classmethod
    def of_name(cls, name: str) -> "ChannelAlreadyExistsException":
        return cls(f"A channel with the name {name} already exists.")


class ChannelMaxLimitExceededException(AwsError):
    """A Region has as many channels as it may have."""

    def __init__(self, quota: int) -> None:
        super().__init__(f"The maximum number of {quota} channels is reached.")


class InvalidSourceException(AwsError):
    """No integration of this name."""

    def __init__(self, source: str) -> None:
        super().__init__(f"{source[:256]} is not a valid source. Use Custom for events of your own applications.")


class ResourceARNNotValidException(AwsError):
    """The text is not the ARN of a resource that a policy can be attached to."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"{arn[:300]} is not a valid resource ARN.")


class ResourcePolicyNotValidException(AwsError):
    """The policy has a fault; the message names the place."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"The resource policy is not valid: {fault}")


class ResourcePolicyNotFoundException(AwsError):
    """No policy is attached."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The resource {arn} has no resource policy.")
