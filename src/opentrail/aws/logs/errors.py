"""The errors of CloudWatch Logs' service model that our handlers raise: one class per shape, each text once."""

from collections.abc import Iterable

from opentrail.aws.common_errors import DetailedError
from opentrail.errors import AwsError
from opentrail.logsql.errors import MalformedQuery


class InvalidParameterException(AwsError):
    """A parameter breaks a constraint of the model or a rule of its own; the message is the whole sentence."""

    @classmethod
    def name_length(cls, maximum: int) -> "InvalidParameterException":
        return cls(f"Invalid LogGroup or LogStream, both must have length less than or equal to {maximum}.")

    @classmethod
    def not_one_of(cls, value: object, member: str, values: Iterable[object]) -> "InvalidParameterException":
        allowed = ", ".join(map(str, values))
        return cls(
            f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{allowed}]"
        )

    @classmethod
    def next_token(cls) -> "InvalidParameterException":
        return cls("The specified nextToken is invalid.")

    @classmethod
    def group_arn(cls, given: str) -> "InvalidParameterException":
        return cls(f"Invalid log group ARN: {given[:300]}")

    @classmethod
    def key_arn(cls, given: str) -> "InvalidParameterException":
        return cls(f"Invalid KMS key ARN: {given[:300]}")

    @classmethod
    def key(cls, arn: str) -> "InvalidParameterException":
        return cls(f"The specified KMS key does not exist or is disabled: {arn[:300]}")

    @classmethod
    def reserved_name(cls) -> "InvalidParameterException":
        return cls("Log groups starting with AWS/ are reserved for AWS.")

    @classmethod
    def streams(cls, quota: int) -> "InvalidParameterException":
        return cls(f"A log group can have no more than {quota} log streams here.")

    @classmethod
    def tags(cls, quota: int) -> "InvalidParameterException":
        return cls(f"A resource can have no more than {quota} tags.")

    @classmethod
    def not_supported(cls, what: str) -> "InvalidParameterException":
        return cls(f"This installation does not support {what}.")


class ResourceNotFoundException(AwsError):
    """The group, stream or filter is not there."""

    @classmethod
    def group(cls) -> "ResourceNotFoundException":
        return cls("The specified log group does not exist.")

    @classmethod
    def stream(cls) -> "ResourceNotFoundException":
        return cls("The specified log stream does not exist.")

    @classmethod
    def queried_group(cls, given: str, account_id: str) -> "ResourceNotFoundException":
        return cls(f"Log group '{given}' does not exist for account ID '{account_id}'")

    @classmethod
    def query(cls, query_id: str) -> "ResourceNotFoundException":
        return cls(f"Query with ID {query_id} does not exist.")

    @classmethod
    def query_definition(cls) -> "ResourceNotFoundException":
        return cls("The specified query definition does not exist.")

    @classmethod
    def policy(cls, name: str) -> "ResourceNotFoundException":
        return cls(f"Policy with name [{name[:300]}] does not exist")

    @classmethod
    def record(cls) -> "ResourceNotFoundException":
        return cls("The specified log record does not exist.")

    @classmethod
    def metric_filter(cls) -> "ResourceNotFoundException":
        return cls("The specified metric filter does not exist.")

    @classmethod
    def subscription_filter(cls) -> "ResourceNotFoundException":
        return cls("The specified subscription filter does not exist.")


class ResourceAlreadyExistsException(AwsError):
    """The name is taken."""

    @classmethod
    def group(cls) -> "ResourceAlreadyExistsException":
        return cls("The specified log group already exists")

    @classmethod
    def stream(cls) -> "ResourceAlreadyExistsException":
        return cls("The specified log stream already exists")


class LimitExceededException(AwsError):
    """A quota is reached."""

    def __init__(self) -> None:
        super().__init__("Resource limit exceeded.")


class InvalidOperationException(AwsError):
    """The operation is none for a group of this class."""

    @classmethod
    def group_class(cls, group_class: str) -> "InvalidOperationException":
        return cls(f"This operation is not supported for log groups of class {group_class}.")


class TooManyTagsException(AwsError):
    """The group would have more tags than the quota."""

    def __init__(self, quota: int) -> None:
        super().__init__(f"A resource can have no more than {quota} tags.")


class MalformedQueryException(DetailedError):
    """A query cannot be read; its place goes out in ``queryCompileError``, as offsets of characters."""

    @classmethod
    def of(cls, error: MalformedQuery) -> "MalformedQueryException":
        location = {"startCharOffset": error.start, "endCharOffset": error.end}
        return cls(str(error), queryCompileError={"location": location, "message": str(error)})
