"""Whether a bucket's policy lets CloudTrail deliver there (reference: trails-and-delivery, section 2)."""

from opentrail.arn import Arn
from opentrail.policy.document import MalformedPolicy, parse_policy
from opentrail.policy.evaluation import AccessRequest, Decision, RequestPrincipal, evaluate

_CLOUDTRAIL = RequestPrincipal(service="cloudtrail.amazonaws.com")


def allows_delivery(policy: str, bucket: str, marker_key: str, trail_arn: str, kms_key_id: str = "") -> bool:
    """Say whether ``policy`` lets the service CloudTrail, for this trail, read the bucket's ACL and write
    ``marker_key`` with the ACL and encryption that it puts objects with: SSE-KMS when there is a key, else SSE-S3.
    A policy that cannot be read allows nothing."""
    try:
        document = parse_policy(policy)
    except MalformedPolicy:
        return False
    arn = Arn.parse(trail_arn)
    context = {
        "aws:SourceArn": [trail_arn],
        "aws:SourceAccount": [arn.account_id],
        "aws:SecureTransport": ["true"],
        "aws:PrincipalIsAWSService": ["true"],
        "aws:PrincipalServiceName": [_CLOUDTRAIL.service],
    }
    bucket_arn = f"arn:{arn.partition}:s3:::{bucket}"
    requests = (
        AccessRequest("s3:GetBucketAcl", bucket_arn, context, _CLOUDTRAIL),
        AccessRequest(
            "s3:PutObject",
            f"{bucket_arn}/{marker_key}",
            context | {"s3:x-amz-acl": ["bucket-owner-full-control"]} | _encryption(kms_key_id),
            _CLOUDTRAIL,
        ),
    )
    return all(evaluate([document], request) is Decision.ALLOW for request in requests)


def _encryption(kms_key_id: str) -> dict[str, list[str]]:
    if not kms_key_id:
        return {"s3:x-amz-server-side-encryption": ["AES256"]}
    return {
        "s3:x-amz-server-side-encryption": ["aws:kms"],
        "s3:x-amz-server-side-encryption-aws-kms-key-id": [kms_key_id],
    }
