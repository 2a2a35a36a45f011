"""What a caller must be allowed for each S3 operation; the actions are not named after the operations."""

from opentrail.aws.service import Call, Requirement

_ACTIONS = {
    "GetBucketAcl": "s3:GetBucketAcl",
    "GetBucketLocation": "s3:GetBucketLocation",
    "GetObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListBuckets": "s3:ListAllMyBuckets",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
}
_CONTEXT = {"Prefix": "s3:prefix", "Delimiter": "s3:delimiter", "MaxKeys": "s3:max-keys"}


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs: its action on the bucket or the object."""
    parameters = call.parameters
    resource = "*"
    if "Bucket" in parameters:
        resource = f"arn:aws:s3:::{parameters['Bucket']}"
    if "Key" in parameters:
        resource = f"{resource}/{parameters['Key']}"
    context = {key: (str(parameters[member]),) for member, key in _CONTEXT.items() if member in parameters}
    return (Requirement(_ACTIONS[call.operation.name], resource, context),)
