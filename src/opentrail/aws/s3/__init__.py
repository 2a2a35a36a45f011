"""S3 (2006-03-01) over the local archives: reading what trails delivered, and the locks on it.

Nobody writes here but trails. DeleteObject is refused unless the archive's rules say when objects may go.
"""

from opentrail.aws.s3.bucket_settings import BUCKET_SETTINGS
from opentrail.aws.s3.buckets import get_bucket_acl, get_bucket_location, head_bucket, list_buckets
from opentrail.aws.s3.listing import list_object_versions, list_objects, list_objects_v2
from opentrail.aws.s3.locks import (
    delete_object,
    get_object_legal_hold,
    get_object_retention,
    put_object_legal_hold,
    put_object_retention,
)
from opentrail.aws.s3.objects import get_object, get_object_acl, get_object_tagging, head_object
from opentrail.aws.s3.permissions import requirements
from opentrail.aws.service import Handler, Service

SERVICE = Service(
    name="s3",
    handlers={
        "DeleteObject": Handler(delete_object),
        "GetBucketAcl": Handler(get_bucket_acl),
        "GetBucketLocation": Handler(get_bucket_location),
        "GetObject": Handler(get_object),
        "GetObjectAcl": Handler(get_object_acl),
        "GetObjectLegalHold": Handler(get_object_legal_hold),
        "GetObjectRetention": Handler(get_object_retention),
        "GetObjectTagging": Handler(get_object_tagging),
        "HeadBucket": Handler(head_bucket),
        "HeadObject": Handler(head_object),
        "ListBuckets": Handler(list_buckets),
        "ListObjectVersions": Handler(list_object_versions),
        "ListObjects": Handler(list_objects),
        "ListObjectsV2": Handler(list_objects_v2),
        "PutObjectLegalHold": Handler(put_object_legal_hold),
        "PutObjectRetention": Handler(put_object_retention),
        **{operation: Handler(run) for operation, run in BUCKET_SETTINGS.items()},
    },
    requirements=requirements,
)
