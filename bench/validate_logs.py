"""Validation of a trail's log files: ours against ``aws cloudtrail validate-logs``, in one run over the same objects.

``python -m bench.validate_logs [--digests N] [--files N] [--events N] [--delay MS] [--rounds N]``. The objects lie
behind a server in a process of its own that delays every answer; both sides run as processes, turn about, start-up
included. Both must come to the same lines of result (one log file is altered). Printed: medians of wall and CPU time
and their ratios, with the delay and without it. Needs the AWS CLI: OPENTRAIL_AWS_CLI or .venv-clients.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.support.delivered_trail import BUCKET, REGION, START_TIME, TRAIL

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Both sides start from compiled modules, as what is installed does."""

RATIO = re.compile(r"\d+/\d+ (?:digest|log) files valid.*")


@dataclass(frozen=True)
class Outcome:
    """One run of one side: seconds, and the result lines with which files are invalid."""

    wall_s: float
    cpu_s: float
    result: tuple[str, ...]


@contextmanager
def server(digests: int, files: int, events: int, delay_ms: int) -> Iterator[str]:
    """Serve a trail's objects; yield the endpoint's URL."""
    arguments = [str(number) for number in (digests, files, events, delay_ms)]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.validate_logs_server", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def run(command: Sequence[str], environment: dict[str, str]) -> Outcome:
    """Run one side to its end."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env={**_ENVIRONMENT, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    process.stdout.close()
    wall = time.perf_counter() - began
    lines = [line.strip() for line in output.splitlines() if RATIO.match(line) or "INVALID:" in line]
    assert lines, output
    return Outcome(wall, usage.ru_utime + usage.ru_stime, tuple(sorted(lines)))


def aws_command(aws: str, url: str, end: datetime) -> list[str]:
    """Return AWS's side."""
    times = ["--start-time", _text(START_TIME), "--end-time", _text(end)]
    where = ["--s3-bucket", BUCKET, "--region", REGION, "--endpoint-url", url]
    return [aws, "cloudtrail", "validate-logs", "--trail-arn", TRAIL.arn, *times, *where]


def our_command(url: str, end: datetime) -> list[str]:
    """Return our side: the command as people call it, with the options of AWS's."""
    times = ["--start-time", _text(START_TIME), "--end-time", _text(end)]
    where = ["--s3-bucket", BUCKET, "--region", REGION, "--endpoint-url", url]
    ours = str(Path(sys.executable).with_name("opentrail"))
    return [ours, "validate-logs", "--trail-arn", TRAIL.arn, *times, *where]


def compare(aws: str, arguments: argparse.Namespace, delay_ms: int) -> None:
    """Run both sides turn about behind one delay and print the medians."""
    end = START_TIME + arguments.digests * timedelta(hours=1)
    theirs: list[Outcome] = []
    ours: list[Outcome] = []
    with server(arguments.digests, arguments.files, arguments.events, delay_ms) as url:
        run(aws_command(aws, url, end), CREDENTIALS | {"AWS_ENDPOINT_URL_S3": url})  # neither side's first run counts
        run(our_command(url, end), CREDENTIALS)
        for _ in range(arguments.rounds):
            theirs.append(run(aws_command(aws, url, end), CREDENTIALS | {"AWS_ENDPOINT_URL_S3": url}))
            ours.append(run(our_command(url, end), CREDENTIALS))
    results = {outcome.result for outcome in theirs + ours}
    assert len(results) == 1, results
    print(
        f"objects {delay_ms} ms away: {arguments.digests} digests of {arguments.files} files, {arguments.events} events"
    )
    for line in results.pop():
        print(f"  both: {line}")
    for name in ("wall_s", "cpu_s"):
        aws_s, our_s = (statistics.median(getattr(outcome, name) for outcome in side) for side in (theirs, ours))
        print(f"  {name}: aws {aws_s:.2f}, ours {our_s:.2f}: {aws_s / our_s:.1f}x")


def find_aws() -> str:
    """Return the AWS CLI's path; ends the run when there is none."""
    root = Path(__file__).resolve().parents[1]
    for candidate in (os.environ.get("OPENTRAIL_AWS_CLI", ""), str(root / ".venv-clients" / "bin" / "aws")):
        if candidate and shutil.which(candidate):
            return candidate
    sys.exit("the AWS CLI is not installed: make setup-clients, or set OPENTRAIL_AWS_CLI")


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--digests", type=int, default=100)
    parser.add_argument("--files", type=int, default=6)
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--delay", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    aws = find_aws()
    compare(aws, arguments, arguments.delay)
    compare(aws, arguments, 0)


if __name__ == "__main__":
    main()
