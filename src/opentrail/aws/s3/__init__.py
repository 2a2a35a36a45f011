"""S3 (2006-03-01), read-only, over the local archives: what ``validate-logs``, ``aws s3 ls`` and ``cp`` need."""

from opentrail.aws.s3.buckets import get_bucket_acl, get_bucket_location, head_bucket, list_buckets
from opentrail.aws.s3.listing import list_objects, list_objects_v2
from opentrail.aws.s3.objects import get_object, head_object
from opentrail.aws.s3.permissions import requirements
from opentrail.aws.service import Handler, Service

SERVICE = Service(
    name="s3",
    handlers={
        "GetBucketAcl": Handler(get_bucket_acl),
        "GetBucketLocation": Handler(get_bucket_location),
        "GetObject": Handler(get_object),
        "HeadBucket": Handler(head_bucket),
        "HeadObject": Handler(head_object),
        "ListBuckets": Handler(list_buckets),
        "ListObjects": Handler(list_objects),
        "ListObjectsV2": Handler(list_objects_v2),
    },
    requirements=requirements,
)
