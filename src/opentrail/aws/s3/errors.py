"""S3's errors as its handlers raise them; statuses are S3's own."""

from typing import ClassVar

from opentrail.aws.common_errors import AccessDenied, DetailedError
from opentrail.errors import AwsError
from opentrail.ports.object_store import AccessRefused


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


class NoSuchVersion(DetailedError):
    """The object has no such version."""

    http_status: ClassVar[int] = 404

    def __init__(self, key: str, version_id: str) -> None:
        super().__init__("The specified version does not exist.", Key=key, VersionId=version_id)


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

    @classmethod
    def past_retention(cls) -> "InvalidArgument":
        return cls("The retain until date must be in the future!")

    @classmethod
    def version_marker_alone(cls) -> "InvalidArgument":
        return cls("A version-id marker cannot be specified without a key marker.")


class MalformedXML(AwsError):
    """The document is not of the operation's form."""

    def __init__(self) -> None:
        super().__init__("The XML you provided was not well-formed or did not validate against our published schema")


class KmsKeyNotFound(AwsError, code="KMS.NotFoundException"):
    """The key of an encrypted object is gone."""


class KmsKeyDisabled(AwsError, code="KMS.DisabledException"):
    """The key of an encrypted object is disabled, or waits for its deletion."""


def refusal(error: AccessRefused) -> AwsError:
    """Return what S3 says of a key that does not open an object."""
    known: dict[str, type[AwsError]] = {kind.code: kind for kind in (KmsKeyNotFound, KmsKeyDisabled)}
    return known.get(error.code, AccessDenied)(str(error))


class _NoConfiguration(DetailedError):
    """The bucket has nothing of a kind."""

    http_status: ClassVar[int] = 404
    sentence: ClassVar[str]

    def __init__(self, bucket: str) -> None:
        super().__init__(self.sentence, BucketName=bucket)


class NoSuchBucketPolicy(_NoConfiguration):
    """An archive has no policy: identities' policies alone decide."""

    sentence = "The bucket policy does not exist"


class NoSuchLifecycleConfiguration(_NoConfiguration):
    """Objects neither expire nor move."""

    sentence = "The lifecycle configuration does not exist"


class NoSuchTagSet(_NoConfiguration):
    """Archives have no tags."""

    sentence = "The TagSet does not exist"


class NoSuchCORSConfiguration(_NoConfiguration):
    """Archives answer no browsers of other origins."""

    sentence = "The CORS configuration does not exist"


class NoSuchWebsiteConfiguration(_NoConfiguration):
    """Archives are no web sites."""

    sentence = "The specified bucket does not have a website configuration"


class ReplicationConfigurationNotFoundError(_NoConfiguration):
    """Archives are not replicated."""

    sentence = "The replication configuration was not found"


class ServerSideEncryptionConfigurationNotFoundError(_NoConfiguration):
    """The archive has no key of its own."""

    sentence = "The server side encryption configuration was not found"


class NoSuchObjectLockConfiguration(DetailedError):
    """The object has no retention period."""

    http_status: ClassVar[int] = 404

    def __init__(self, key: str) -> None:
        super().__init__("The specified object does not have a ObjectLock configuration", Key=key)
