"""Buckets that are archives: where they are and that they are there. Read-only."""

from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.s3.errors import NoSuchBucket
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.archives import Archive
from opentrail.protocol import Parameters

_NO_CONSTRAINT_REGION = "us-east-1"
"""S3 answers an empty LocationConstraint for it."""


def find_archive(ports: ApiPorts, call: Call) -> Archive:
    """Return the archive that ``call`` names; raises NoSuchBucket, and AccessDenied when another account owns it than
    the caller's, or than the caller expects."""
    name: str = call.parameters["Bucket"]
    archive = ports.archives.get(name)
    if archive is None:
        raise NoSuchBucket(name)
    if call.account_id != archive.account_id or call.parameters.get("ExpectedBucketOwner", call.account_id) != (
        archive.account_id
    ):
        raise AccessDenied("Access Denied")
    return archive


async def get_bucket_location(ports: ApiPorts, call: Call) -> Outcome:
    """Answer the archive's Region."""
    region = find_archive(ports, call).region
    return Outcome({"LocationConstraint": "" if region == _NO_CONSTRAINT_REGION else region})


async def head_bucket(ports: ApiPorts, call: Call) -> Outcome:
    """Answer that the archive is there, and in which Region."""
    archive = find_archive(ports, call)
    return Outcome({"BucketRegion": archive.region, "BucketArn": f"arn:aws:s3:::{archive.name}"})


async def list_buckets(ports: ApiPorts, call: Call) -> Outcome:
    """List the caller's account's archives."""
    owned = [archive for archive in ports.archives.list() if archive.account_id == call.account_id]
    buckets: list[Parameters] = [{"Name": archive.name, "CreationDate": archive.created_at} for archive in owned]
    return Outcome({"Buckets": buckets, "Owner": {"ID": canonical_id(call.account_id)}})


async def get_bucket_acl(ports: ApiPorts, call: Call) -> Outcome:
    """Answer the only access list an archive has: its owner in full control."""
    return Outcome(access_list(find_archive(ports, call)))


def access_list(archive: Archive) -> Parameters:
    """Return the access list of an archive and of everything in it."""
    owner: Parameters = {"ID": canonical_id(archive.account_id)}
    grantee: Parameters = owner | {"Type": "CanonicalUser"}
    return {"Owner": owner, "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


def canonical_id(account_id: str) -> str:
    """Return the account's canonical user id: here its number, filled up to S3's 64 characters."""
    return account_id.rjust(64, "0")
