"""STS's errors as its handlers raise them. The model's shape and the code on the wire differ for two of them."""

from opentrail.errors import AwsError


class MalformedPolicyDocumentException(AwsError, code="MalformedPolicyDocument"):
    """The session policy is not a policy."""


class PackedPolicyTooLargeException(AwsError, code="PackedPolicyTooLarge"):
    """The session policy is longer than a session may carry."""

    def __init__(self, maximum: int) -> None:
        super().__init__(f"The session policy is longer than {maximum} characters.")
