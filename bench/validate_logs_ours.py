"""Our side of the validation benchmark: ``python -m bench.validate_logs_ours URL END`` prints what is wrong.

It imports what the ``opentrail`` command imports, so that the command's start-up counts as the other side's does.
"""

import asyncio
import base64
import sys
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from bench.validate_logs_trail import BUCKET, REGION, START_TIME, TRAIL
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.cli import app
from opentrail.ports.signer import PublicKey
from opentrail.query.log_validation import LogValidation, ValidationRequest


class ListedKeys:
    """The public keys that the server lists."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
        """Return what ListPublicKeys answers."""
        return await asyncio.to_thread(self._ask)

    def _ask(self) -> list[PublicKey]:
        with urllib.request.urlopen(self._url, b"{}", timeout=30) as answer:
            listed = orjson.loads(answer.read())["PublicKeyList"]
        return [
            PublicKey(
                base64.b64decode(key["Value"]),
                key["Fingerprint"],
                datetime.fromtimestamp(key["ValidityStartTime"], UTC),
                datetime.fromtimestamp(key["ValidityEndTime"], UTC),
            )
            for key in listed
        ]


async def main(url: str, end: datetime) -> None:
    service = S3Buckets(S3Endpoint(url, REGION, "AKIDEXAMPLE", "secret"))
    validation = LogValidation(ValidationRequest(TRAIL.arn, REGION, START_TIME, end, BUCKET), service, ListedKeys(url))
    async for finding in validation.findings():
        if not finding.is_valid:
            print(finding.text())
    print(validation.summary.text())
    service.close()


if __name__ == "__main__":
    assert app is not None
    asyncio.run(main(sys.argv[1], datetime.fromisoformat(sys.argv[2])))
