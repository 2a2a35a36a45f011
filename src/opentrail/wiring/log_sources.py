"""What a verifier reads from: the buckets and public keys of a home, of AWS, or of any endpoint."""

import os
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
    found = _credentials()
    return RemoteSource(S3Buckets(_endpoint(url, region, found)), CloudTrailApi(region, found, url))


def caller_key() -> dict[str, str]:
    """Return the credentials of the environment as an import is handed them. Raises OperatorError without any."""
    found = _credentials()
    return {
        "access_key_id": found.access_key_id,
        "secret_access_key": found.secret_access_key,
        "session_token": found.session_token,
        "region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
    }


def _credentials() -> Credentials:
    found = environment_credentials()
    if found is None:
        raise OperatorError("there are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret")
    return found


def _endpoint(url: str, region: str, credentials: Credentials) -> S3Endpoint:
    return S3Endpoint(url, region, credentials.access_key_id, credentials.secret_access_key, credentials.session_token)


def open_memory(path: Path) -> FileMemory:
    """Open the file of an interrupted validation, or begin one. Raises OperatorError."""
    return FileMemory(path, memory_key())
