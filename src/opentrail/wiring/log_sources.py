"""What a verifier reads from: the buckets and public keys of a home, of AWS, or of any endpoint."""

from dataclasses import dataclass
from pathlib import Path

from opentrail.adapters.cloudtrail_api.client import CloudTrailApi as CloudTrailApi
from opentrail.adapters.cloudtrail_api.client import Credentials, environment_credentials
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.adapters.validation_memory.file import FileMemory as FileMemory
from opentrail.adapters.validation_memory.file import memory_key
from opentrail.errors import OperatorError


@dataclass(frozen=True)
class RemoteSource:
    """An endpoint's buckets and its CloudTrail API, asked with the credentials of the environment."""

    stores: S3Buckets
    api: CloudTrailApi


def remote_source(url: str, region: str) -> RemoteSource:
    """Return AWS ("") or another endpoint as a source. Raises OperatorError without credentials."""
    found = environment_credentials()
    if found is None:
        raise OperatorError("there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret")
    return RemoteSource(S3Buckets(_endpoint(url, region, found)), CloudTrailApi(region, found, url))


def _endpoint(url: str, region: str, credentials: Credentials) -> S3Endpoint:
    return S3Endpoint(url, region, credentials.access_key_id, credentials.secret_access_key, credentials.session_token)


def open_memory(path: Path) -> FileMemory:
    """Open the file of an interrupted validation, or begin one. Raises OperatorError."""
    return FileMemory(path, memory_key())
