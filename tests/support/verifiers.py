"""Two verifiers to judge the buckets of a delivery to test: AWS's own, from the AWS CLI, and ours."""

import asyncio
import base64
import json
import re
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from opentrail.clock import format_time
from opentrail.digest.verdicts import BEYOND_AWS, Finding
from opentrail.query.log_validation import LogValidation, ValidationRequest
from tests.memory.object_store import InMemoryObjectStores
from tests.support.clients import require_aws_cli
from tests.support.delivery import HOUR, NOON, REGION, DeliveryWorld

SCRIPT = Path(__file__).parents[1] / "conformance" / "digests" / "aws_verifier.py"
_OURS = re.compile("beyond AWS's checks|log files are (?:younger|from times)")
ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"


@dataclass
class Judgement:
    """What a verifier said: its lines without blank ones, and whether all was valid."""

    lines: list[str]
    is_valid: bool


def a_request(start: datetime = NOON, end: datetime = NOON + 12 * HOUR, **changes: str) -> ValidationRequest:
    """Ask about ``main``'s log files in ``logs``."""
    values = {"trail_arn": ARN, "region": REGION, "bucket": "logs"} | changes
    return ValidationRequest(start_time=start, end_time=end, **values)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def ask_aws(world: DeliveryWorld, request: ValidationRequest) -> Judgement:
    """Let AWS's verifier judge the buckets of ``world``."""
    keys = await world.signer.public_keys(request.region, NOON - 999 * HOUR, NOON + 999 * HOUR)
    objects = [
        {
            "bucket": store.name,
            "key": key,
            "body": base64.b64encode(item.body).decode(),
            "metadata": dict(item.metadata),
        }
        for store in (world.bucket, world.other)
        for key, item in store.objects.items()
    ]
    given = {
        "trail_arn": request.trail_arn,
        "region": request.region,
        "start_time": format_time(request.start_time),
        "end_time": format_time(request.end_time),
        "bucket": request.bucket,
        "key_prefix": request.key_prefix,
        "account_id": request.account_id,
        "organization_id": request.organization_id,
        "objects": objects,
        "keys": [
            {
                "value": _base64(key.der),
                "fingerprint": key.fingerprint,
                "valid_from": key.valid_from.isoformat(),
                "valid_until": key.valid_until.isoformat(),
            }
            for key in keys
        ],
    }
    python = Path(require_aws_cli()).resolve().parent / "python"
    done = await asyncio.to_thread(
        subprocess.run, [python, SCRIPT], input=json.dumps(given).encode(), capture_output=True, timeout=60
    )
    output = done.stdout.decode()
    assert done.returncode in {0, 1}, output + done.stderr.decode()
    lines = [line for line in output.splitlines() if line.strip()]
    assert lines, done.stderr.decode()
    return Judgement(lines[1:], done.returncode == 0)


async def ask_ours(world: DeliveryWorld, request: ValidationRequest) -> tuple[Judgement, list[Finding]]:
    """Let our verifier judge the same; concerns, which AWS has not, come apart."""
    validation = LogValidation(request, InMemoryObjectStores(world.bucket, world.other), world.signer)
    findings = [finding async for finding in validation.findings()]
    told = [finding.text() for finding in findings if finding.kind not in BEYOND_AWS]
    summed = [line for line in validation.summary.text().splitlines() if line and not _OURS.search(line)]
    concerns = [finding for finding in findings if finding.kind in BEYOND_AWS]
    return Judgement(told + summed, validation.summary.is_valid_to_aws), concerns
