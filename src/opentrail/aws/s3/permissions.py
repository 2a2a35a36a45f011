"""What a caller must be allowed for each S3 operation; the actions are not named after the operations."""

from opentrail.aws.service import Call, Requirement

_ACTIONS = {
    "DeleteObject": "s3:DeleteObject",
    "GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "GetBucketAcl": "s3:GetBucketAcl",
    "GetBucketCors": "s3:GetBucketCORS",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "GetBucketLocation": "s3:GetBucketLocation",
    "GetBucketLogging": "s3:GetBucketLogging",
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "GetBucketOwnershipControls": "s3:GetBucketOwnershipControls",
    "GetBucketPolicy": "s3:GetBucketPolicy",
    "GetBucketPolicyStatus": "s3:GetBucketPolicyStatus",
    "GetBucketReplication": "s3:GetReplicationConfiguration",
    "GetBucketRequestPayment": "s3:GetBucketRequestPayment",
    "GetBucketTagging": "s3:GetBucketTagging",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetBucketWebsite": "s3:GetBucketWebsite",
    "GetObject": "s3:GetObject",
    "GetObjectAcl": "s3:GetObjectAcl",
    "GetObjectLegalHold": "s3:GetObjectLegalHold",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "GetObjectRetention": "s3:GetObjectRetention",
    "GetObjectTagging": "s3:GetObjectTagging",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListBuckets": "s3:ListAllMyBuckets",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "PutObjectLegalHold": "s3:PutObjectLegalHold",
    "PutObjectRetention": "s3:PutObjectRetention",
}
_VERSION_ACTIONS = {
    "DeleteObject": "s3:DeleteObjectVersion",
    "GetObject": "s3:GetObjectVersion",
    "GetObjectAcl": "s3:GetObjectVersionAcl",
    "GetObjectTagging": "s3:GetObjectVersionTagging",
    "HeadObject": "s3:GetObjectVersion",
}
"""What it takes instead where the call names a version."""

_BYPASS = "s3:BypassGovernanceRetention"
_CONTEXT = {"Prefix": "s3:prefix", "Delimiter": "s3:delimiter", "MaxKeys": "s3:max-keys", "VersionId": "s3:versionid"}


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs: its action on the bucket or the object, and the bypass of governance mode when it
    asks for that."""
    parameters, name = call.parameters, call.operation.name
    resource = "*"
    if "Bucket" in parameters:
        resource = f"arn:aws:s3:::{parameters['Bucket']}"
    if "Key" in parameters:
        resource = f"{resource}/{parameters['Key']}"
    context = {key: (str(parameters[member]),) for member, key in _CONTEXT.items() if member in parameters}
    action = _VERSION_ACTIONS.get(name, _ACTIONS[name]) if "VersionId" in parameters else _ACTIONS[name]
    needed: tuple[Requirement, ...] = (Requirement(action, resource, context),)
    if parameters.get("BypassGovernanceRetention"):
        needed += (Requirement(_BYPASS, resource, context),)
    return needed
