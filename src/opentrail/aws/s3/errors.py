"""S3's errors as its handlers raise them; statuses are S3's own."""

from typing import ClassVar

from opentrail.aws.common_errors import DetailedError
from opentrail.errors import AwsError


class NoSuchBucket(DetailedError):
    """No archive has this name."""

    http_status: ClassVar[int] = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The specified bucket does not exist", BucketName=bucket)


class NoSuchKey(DetailedError):
    """No object has this key."""

    http_status: ClassVar[int] = 404

    def __init__(self, key: str) -> None:
        super().__init__("The specified key does not exist.", Key=key)


class InvalidRange(AwsError):
    """The range starts past the object's end."""

    http_status: ClassVar[int] = 416

    def __init__(self) -> None:
        super().__init__("The requested range is not satisfiable")


class PreconditionFailed(AwsError):
    """If-Match or If-Unmodified-Since does not hold."""

    http_status: ClassVar[int] = 412

    def __init__(self) -> None:
        super().__init__("At least one of the pre-conditions you specified did not hold")


class NotModified(AwsError):
    """If-None-Match or If-Modified-Since says that the caller has this object."""

    http_status: ClassVar[int] = 304

    def __init__(self) -> None:
        super().__init__("Not Modified")


class InvalidArgument(AwsError):
    """A parameter that cannot be used."""

    @classmethod
    def bad_max_keys(cls) -> "InvalidArgument":
        return cls("Argument maxKeys must be an integer between 0 and 2147483647")

    @classmethod
    def bad_continuation_token(cls) -> "InvalidArgument":
        return cls("The continuation token provided is incorrect")
