"""Makes docs/manipulations.md: ``python -m tests.conformance.manipulations.table docs/manipulations.md``.

Both verifiers run as commands against the same endpoint: ``aws cloudtrail validate-logs`` and ``opentrail
validate-logs``, over 52 digests and 208 log files, once for each manipulation.
"""

import asyncio
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.manipulations.manipulations import (
    DIGESTS,
    EVENTS,
    FILES,
    MANIPULATIONS,
    Manipulation,
)
from tests.support.clients import require_aws_cli
from tests.support.delivered_trail import BUCKET, REGION, START_TIME, TRAIL, DeliveredTrail
from tests.support.object_server import ObjectServer, serving
from tests.support.server import OPENTRAIL

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_BAD = re.compile(r"INVALID:|CONCERN:|^No log files were delivered")
_KEY = re.compile(r"s3://\S*/([^/\s]+)")
_LONG_KEY = re.compile(r"AWSLogs/\S*/([^/\s]+\.json\.gz)")
_FINGERPRINT = re.compile(r"\b[0-9a-f]{32}\b")
_ACCOUNT_PART = re.compile(r"123456789012_(CloudTrail(?:-Digest)?)_us-east-1_(?:bench_us-east-1_)?")

HEAD = f"""# Manipulations and who finds them

Made by `python -m tests.conformance.manipulations.table docs/manipulations.md` (`make docs`); a test keeps it in step.
A trail of {DIGESTS} hourly digests and {DIGESTS * FILES} log files is manipulated, once in each way, and judged by both
commands at the same endpoint: `aws cloudtrail validate-logs` (AWS CLI v1) and `opentrail validate-logs`. Untouched,
both find `{DIGESTS}/{DIGESTS} digest files valid` and `{DIGESTS * FILES}/{DIGESTS * FILES} log files valid`. Given is
the first line that names something wrong, shortened to the object's name, and how many more there are. Opentrail's
command gives every line that AWS's gives; the third column has what it adds.

| manipulation | AWS's verifier says | Opentrail's says as well |
|---|---|---|
"""

TAIL = """
`INVALID` is AWS's own verdict, given by both; `CONCERN` is what only Opentrail looks at. Manipulations 12 need the
signing key; all others only write access to the bucket. Who holds both and leaves nothing over (12d) writes a second
history that is as valid as the first: only a witness elsewhere, who holds the first one's signatures, can tell.
"""


@dataclass(frozen=True)
class Verdict:
    """What a command said: its exit code and the lines that name something wrong."""

    exit_code: int
    lines: tuple[str, ...]

    @property
    def cell(self) -> str:
        if not self.lines:
            return "not found"
        more = f" (and {len(self.lines) - 1} more)" if len(self.lines) > 1 else ""
        return f"`{_shorten(self.lines[0])}`{more}"

    def beyond(self, other: "Verdict") -> str:
        """Return the cell of what this verdict has and ``other`` has not."""
        added = tuple(line for line in self.lines if line not in other.lines)
        return Verdict(self.exit_code, added).cell if added or not other.lines else ""


def _shorten(line: str) -> str:
    for pattern, text in ((_KEY, r"\1"), (_LONG_KEY, r"\1"), (_ACCOUNT_PART, r"\1_"), (_FINGERPRINT, "...")):
        line = pattern.sub(text, line)
    return line.replace("\t", " ")


async def _run(command: list[str], environment: dict[str, str]) -> Verdict:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **CREDENTIALS, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode in {0, 1}, output.decode()
    assert b"digest files valid" in output, output.decode()
    lines = [line for line in output.decode().splitlines() if _BAD.search(line)]
    return Verdict(process.returncode, tuple(lines))


async def ask_both(trail: DeliveredTrail, keys_of: DeliveredTrail) -> tuple[Verdict, Verdict]:
    """Let both commands judge; the keys that are listed are those of ``keys_of``."""
    times = ["--start-time", f"{START_TIME:%Y-%m-%dT%H:%M:%SZ}", "--end-time", f"{keys_of.end_time:%Y-%m-%dT%H:%M:%SZ}"]
    async with serving(ObjectServer(trail.objects, await keys_of.keys())) as url:
        where = ["--s3-bucket", BUCKET, "--region", REGION, "--endpoint-url", url]
        arguments = ["--trail-arn", TRAIL.arn, *times, *where]
        aws = await _run([require_aws_cli(), "cloudtrail", "validate-logs", *arguments], {"AWS_ENDPOINT_URL_S3": url})
        ours = await _run([*OPENTRAIL, "validate-logs", *arguments], {})
    return aws, ours


async def judge_all() -> dict[str, tuple[Verdict, Verdict]]:
    """Return both verdicts on the untouched trail ("") and on each manipulation."""
    whole = await DeliveredTrail().deliver(DIGESTS, FILES, EVENTS)
    verdicts = {"": await ask_both(whole, whole)}
    for title, manipulate in MANIPULATIONS.items():
        verdicts[title] = await _judge(whole, manipulate)
    return verdicts


async def _judge(whole: DeliveredTrail, manipulate: Manipulation) -> tuple[Verdict, Verdict]:
    trail = DeliveredTrail(whole.signer, dict(whole.objects), whole.log_files, whole.digests)
    await manipulate(trail)
    return await ask_both(trail, whole)


def format_page(verdicts: dict[str, tuple[Verdict, Verdict]]) -> str:
    """Return the page."""
    rows = [f"| {title} | {aws.cell} | {ours.beyond(aws)} |\n" for title, (aws, ours) in verdicts.items() if title]
    return HEAD + "".join(rows) + TAIL


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(format_page(asyncio.run(judge_all())))
