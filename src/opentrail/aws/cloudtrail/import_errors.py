"""The errors of imports: one class per shape, each text once."""

from opentrail.errors import AwsError


class AccountHasOngoingImportException(AwsError):
    """The account has an import running."""

    def __init__(self, import_id: str) -> None:
        super().__init__(f"The account already has an ongoing import: {import_id}.")


class ImportNotFoundException(AwsError):
    """No such import of this account, or it ended more than seven days ago."""

    def __init__(self, import_id: str) -> None:
        super().__init__(f"The import {import_id} was not found.")


class InvalidImportSourceException(AwsError):
    """The source cannot be imported from."""

    @classmethod
    def no_s3_uri(cls, given: str) -> "InvalidImportSourceException":
        return cls(f"{given[:300]} is not an S3 URI such as s3://bucket/AWSLogs/123456789012/CloudTrail/.")

    @classmethod
    def no_bucket(cls, bucket: str) -> "InvalidImportSourceException":
        return cls(f"The source S3 bucket {bucket} does not exist.")

    @classmethod
    def no_region(cls, given: str) -> "InvalidImportSourceException":
        return cls(f"{given[:100]} is not a Region: S3BucketRegion is that of the source S3 bucket, such as us-east-1.")

    @classmethod
    def not_readable(cls, bucket: str, reason: str) -> "InvalidImportSourceException":
        return cls(f"The source S3 bucket {bucket} cannot be read: {reason[:300]}")


class EventDataStoreHasOngoingImportException(AwsError):
    """The event data store cannot be changed or deleted while an import brings events to it."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The event data store {arn} has an ongoing import.")
