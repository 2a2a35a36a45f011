"""The errors of CloudWatch's service model that our handlers raise: one class per shape, each text once."""

from typing import ClassVar

from opentrail.errors import AwsError


class InvalidParameterValueException(AwsError):
    """A parameter has a value that its rule does not allow; the message is the whole sentence."""


class InvalidParameterCombinationException(AwsError):
    """Parameters exclude one another."""

    @classmethod
    def exclusive(cls, one: str, other: str) -> "InvalidParameterCombinationException":
        return cls(f"The parameters {one} and {other} are mutually exclusive and you have specified both.")


class MissingRequiredParameterException(AwsError):
    """A parameter that is needed here is not there."""

    @classmethod
    def parameter(cls, name: str) -> "MissingRequiredParameterException":
        return cls(f"The parameter {name} is required.")


class InvalidNextToken(AwsError):
    """The token is none that this list gave."""

    def __init__(self) -> None:
        super().__init__("Invalid nextToken")


class InvalidFormatFault(AwsError):
    """StateReasonData is no JSON."""

    def __init__(self) -> None:
        super().__init__("StateReasonData was not valid JSON")


class ResourceNotFound(AwsError):
    """There is no alarm of the name; CloudWatch says no more than that."""

    http_status: ClassVar[int] = 404

    def __init__(self, message: str = "") -> None:
        super().__init__(message)


class ResourceNotFoundException(AwsError):
    """No alarm has the ARN."""

    http_status: ClassVar[int] = 404

    def __init__(self, arn: str) -> None:
        super().__init__(f"Unknown: {arn}")


class ResourceConflict(AwsError):
    """A composite alarm refers to the alarm that was to be deleted."""

    http_status: ClassVar[int] = 409


class LimitExceededFault(AwsError):
    """One more would be too many (docs/alarms.md, section Bounds)."""

    def __init__(self, quota: int) -> None:
        super().__init__(f"You have reached the maximum number of alarms allowed here: {quota}.")
