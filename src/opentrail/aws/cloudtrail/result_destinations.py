"""Where a query's result is to be delivered, proved before the query is started."""

from opentrail.aws.cloudtrail.errors import (
    InsufficientEncryptionPolicyException,
    InsufficientS3BucketPolicyException,
    InvalidS3BucketNameException,
    S3BucketDoesNotExistException,
)
from opentrail.aws.service import ApiPorts, Call
from opentrail.ports.object_store import AccessRefused, BucketNotFound
from opentrail.resource.result_layout import ResultPlace, parse_delivery_uri


async def check_result_place(ports: ApiPorts, call: Call, uri: str, store_arn: str) -> None:
    """Prove that CloudTrail may deliver below ``uri``, and leave the empty object that marks the folder of results.

    Raises InvalidS3BucketName, S3BucketDoesNotExist, InsufficientS3BucketPolicy, InsufficientEncryptionPolicy.
    """
    try:
        place = parse_delivery_uri(uri)
    except ValueError:
        raise InvalidS3BucketNameException(uri[:100]) from None
    _check_own_archive(ports, call, place)
    try:
        await ports.object_stores.bucket(place.bucket).check_delivery(place.marker_key(call.account_id), store_arn)
    except BucketNotFound as error:
        raise S3BucketDoesNotExistException(place.bucket) from error
    except AccessRefused as error:
        if error.code.startswith("KMS."):
            raise InsufficientEncryptionPolicyException(place.bucket, "of the bucket") from error
        raise InsufficientS3BucketPolicyException(place.bucket) from error


def _check_own_archive(ports: ApiPorts, call: Call, place: ResultPlace) -> None:
    """Raise InsufficientS3BucketPolicy for another account's archive: it has no bucket policy that could let us in."""
    archive = ports.archives.get(place.bucket)
    if archive is not None and archive.account_id != call.account_id:
        raise InsufficientS3BucketPolicyException(place.bucket)
