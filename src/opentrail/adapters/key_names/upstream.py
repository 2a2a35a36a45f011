"""Names of keys of the upstream's KMS (port: key_names), through boto3 in a thread of this adapter."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from opentrail.arn import Arn
from opentrail.ports import PortError, Unavailable
from opentrail.ports.key_ring import KeyAccessRefused, KeyNotFound

MAX_CONNECTIONS = 2
"""Questions under way at once: one for each trail that is being made or changed."""

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 15
ATTEMPTS = 2

_SERVER_FAULT = 500
_TOO_MANY = 429


@dataclass(frozen=True)
class KmsEndpoint:
    """Where KMS is and who we are there. ``ca_bundle`` is a file of CA certificates, "" for the system's."""

    url: str
    access_key_id: str
    secret_access_key: str
    ca_bundle: str = ""


class UpstreamKeyNames:
    """Implements KeyNames. The account is the one that our key there belongs to; KMS knows no other for a bare name."""

    def __init__(self, endpoint: KmsEndpoint) -> None:
        self._endpoint = endpoint
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, "kms")
        self._making = threading.Lock()
        self._clients: dict[str, Any] = {}

    async def key_arn(self, name: str, account_id: str, region: str) -> str:
        if ":key/" in name:
            return name
        place = Arn.parse(name).region if name.startswith("arn:") else region
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._describe, name, place)

    def _describe(self, name: str, region: str) -> str:
        # Imported here because a tenth of a second of every start is too much for what most trails do without.
        import botocore.exceptions

        try:
            output = self._client(region).describe_key(KeyId=name)
        except botocore.exceptions.ClientError as error:
            raise _translate(error, name) from error
        except botocore.exceptions.NoCredentialsError as error:
            raise KeyAccessRefused(str(error)) from error
        except (botocore.exceptions.BotoCoreError, OSError) as error:
            raise Unavailable(f"KMS did not answer: {error}") from error
        return str(output["KeyMetadata"]["Arn"])

    def _client(self, region: str) -> Any:
        with self._making:
            if region not in self._clients:
                self._clients[region] = _make_client(self._endpoint, region)
            return self._clients[region]

    def close(self) -> None:
        """Let the threads go once their calls ended."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _make_client(endpoint: KmsEndpoint, region: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "kms",
        region_name=region,
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        verify=endpoint.ca_bundle or None,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=MAX_CONNECTIONS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        ),
    )


def _translate(error: Any, name: str) -> PortError:
    """Return the port's error for a botocore ClientError."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in ("NotFoundException", "InvalidArnException"):
        return KeyNotFound(name)
    if status >= _SERVER_FAULT or status == _TOO_MANY or code == "ThrottlingException":
        return Unavailable(str(error))
    return KeyAccessRefused(str(error))
