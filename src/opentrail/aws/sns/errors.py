"""The errors of SNS's service model that our handlers raise; their codes on the wire end without ``Exception``."""

from opentrail.errors import AwsError


class InvalidParameterException(AwsError, code="InvalidParameter"):
    """A parameter breaks SNS's rules; ``detail`` says which and why."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"Invalid parameter: {detail}")


class NotFoundException(AwsError, code="NotFound"):
    """No such topic or subscription in this account and Region."""

    http_status = 404

    @classmethod
    def topic(cls) -> "NotFoundException":
        return cls("Topic does not exist")

    @classmethod
    def subscription(cls) -> "NotFoundException":
        return cls("Subscription does not exist")


class ResourceNotFoundException(AwsError, code="ResourceNotFound"):
    """No such topic to tag."""

    http_status = 404

    def __init__(self) -> None:
        super().__init__("Resource does not exist")


class AuthorizationErrorException(AwsError, code="AuthorizationError"):
    """The topic's policy does not let the caller do this."""

    http_status = 403

    def __init__(self, arn: str, action: str, resource: str) -> None:
        super().__init__(f"User: {arn} is not authorized to perform: {action} on resource: {resource}")


class TopicLimitExceededException(AwsError, code="TopicLimitExceeded"):
    """One topic more would be too many (docs/topics.md, section Bounds)."""

    http_status = 403

    def __init__(self) -> None:
        super().__init__("The maximum number of topics is reached")


class SubscriptionLimitExceededException(AwsError, code="SubscriptionLimitExceeded"):
    """One subscription more would be too many (docs/topics.md, section Bounds)."""

    http_status = 403

    def __init__(self) -> None:
        super().__init__("The maximum number of subscriptions is reached")


class TagLimitExceededException(AwsError, code="TagLimitExceeded"):
    """More tags than a topic can have."""

    def __init__(self) -> None:
        super().__init__("Could not complete request: tag quota of per resource exceeded")


class EmptyBatchRequestException(AwsError, code="EmptyBatchRequest"):
    """A batch without messages."""

    def __init__(self) -> None:
        super().__init__("The batch request doesn't contain any entries.")


class TooManyEntriesInBatchRequestException(AwsError, code="TooManyEntriesInBatchRequest"):
    """A batch of more messages than one may have."""

    def __init__(self) -> None:
        super().__init__("The batch request contains more entries than permissible.")


class BatchEntryIdsNotDistinctException(AwsError, code="BatchEntryIdsNotDistinct"):
    """Two messages of a batch have the same id."""

    def __init__(self) -> None:
        super().__init__("Two or more batch entries in the request have the same Id.")


class BatchRequestTooLongException(AwsError, code="BatchRequestTooLong"):
    """All messages of a batch together are too long."""

    def __init__(self) -> None:
        super().__init__("The length of all the batch messages put together is more than the limit.")
