"""`make demo`: the whole story with the real AWS CLI and real output, from a call to a log file that was tampered with.

Every step checks what it claims; the script ends with exit code 1 when one does not hold.
"""

import gzip
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
from rich.console import Console
from rich.rule import Rule

LOG_FILE_INTERVAL = "2s"
DIGEST_INTERVAL = "5s"
DEADLINE_SECONDS = 90

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 110)


class StepFailed(Exception):
    """A step of the story did not hold."""


class Demo:
    """One Opentrail in a temporary home, and a terminal beside it."""

    def __init__(self, home: Path) -> None:
        self._home = home

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run the server for the length of the story; it is drained with SIGTERM."""
        ready = self._home / "ready.json"
        environment = {
            **os.environ,
            "OPENTRAIL_LOG_FILE_INTERVAL": LOG_FILE_INTERVAL,
            "OPENTRAIL_DIGEST_INTERVAL": DIGEST_INTERVAL,
            "OPENTRAIL_LOG_LEVEL": "warning",
        }
        command = [
            "opentrail",
            "serve",
            "--home",
            str(self._home),
            "--gateway",
            "127.0.0.1:0",
            "--api",
            "127.0.0.1:0",
            "--upstream",
            "moto",
            "--ready-file",
            str(ready),
        ]
        with (self._home / "server.log").open("wb") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            try:
                self.wait(ready.exists, "the server to answer", lambda: server.poll() is None)
                yield
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(timeout=30)

    def say(self, text: str) -> None:
        console.print()
        console.print(Rule(text, align="left", style="cyan"))

    def run(self, *command: str, expect: int = 0, shows: str = "", quiet: bool = False, as_user: str = "") -> str:
        """Run one command as a user would, show it and its output; check its exit code and a text in its output."""
        identity = ["--as", as_user] if as_user else []
        prefix = [] if command[0] == "opentrail" else ["opentrail", "--home", str(self._home), "exec", *identity, "--"]
        words = list(command)
        if command[0] == "opentrail":
            words[1:1] = ["--home", str(self._home)]
        shown = " ".join(f"'{word}'" if " " in word or "{" in word else word for word in command)
        console.print(f"\n[bold green]$[/] [bold]{'(as ' + as_user + ') ' if as_user else ''}{shown}[/]")
        finished = subprocess.run([*prefix, *words], capture_output=True, text=True, timeout=60)
        text = (finished.stdout + finished.stderr).strip()
        if text and not quiet:
            console.print(text, markup=False)
        if finished.returncode != expect or shows not in text:
            raise StepFailed(f"{shown}: exit code {finished.returncode} (expected {expect}), output: {text}")
        return finished.stdout

    def wait(self, condition: Callable[[], bool], what: str, is_alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until a condition holds, at most DEADLINE_SECONDS."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            if time.monotonic() > deadline or not is_alive():
                raise StepFailed(f"waited for {what}; {(self._home / 'server.log').read_text()[-2000:]}")
            time.sleep(0.2)

    def archived(self, kind: str) -> list[Path]:
        """Return the archive's objects of a kind (CloudTrail or CloudTrail-Digest), oldest first."""
        folder = self._home / "archives" / "audit-archive"
        return sorted(path for path in folder.rglob("*.json.gz") if f"/{kind}/" in str(path))


def tell(demo: Demo) -> None:
    """Tell the story."""
    demo.say("1. A place for the record, a trail, and logging switched on - with the AWS CLI as it is")
    demo.run("opentrail", "archive", "create", "audit-archive")
    demo.run(
        "aws",
        "cloudtrail",
        "create-trail",
        "--name",
        "audit",
        "--s3-bucket-name",
        "audit-archive",
        "--is-multi-region-trail",
        "--enable-log-file-validation",
        shows="trail/audit",
    )
    demo.run("aws", "cloudtrail", "start-logging", "--name", "audit")

    demo.say("2. People work: calls pass through the gateway to the upstream, untouched, and are on record")
    demo.run("aws", "s3", "mb", "s3://quarterly-figures")
    demo.run("aws", "iam", "create-user", "--user-name", "mallory", quiet=True)
    demo.run("aws", "ec2", "create-security-group", "--group-name", "open-door", "--description", "demo", quiet=True)
    demo.run("aws", "s3", "rb", "s3://quarterly-figures")

    demo.say("3. Somebody tries to switch the record off, and is denied - on record, too")
    demo.run("opentrail", "users", "create", "bob", "--managed", "AWSCloudTrail_ReadOnlyAccess")
    demo.run("opentrail", "keys", "create", "--user", "bob", "--save")
    demo.run("aws", "cloudtrail", "stop-logging", "--name", "audit", as_user="bob", expect=255, shows="AccessDenied")

    demo.say("4. Who did what? Event history answers within a second, every filter combined")
    demo.run("opentrail", "lookup", "--write-only", "--max", "12", shows="DeleteBucket")
    demo.run(
        "aws",
        "cloudtrail",
        "lookup-events",
        "--max-results",
        "1",
        "--lookup-attributes",
        "AttributeKey=EventName,AttributeValue=StopLogging",
        "AttributeKey=Username,AttributeValue=bob",
        "--query",
        "Events[].[EventTime,Username,EventName]",
        "--output",
        "text",
        shows="bob",
    )

    demo.say("5. The trail delivered log files and signed digests; AWS's own verifier finds nothing altered")
    demo.wait(lambda: bool(digested_denial(demo)), "the digest that lists the log file with the refused call")
    arn = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    validate = ["validate-logs", "--trail-arn", arn, "--start-time", start]
    demo.run("aws", "cloudtrail", *validate, shows="log files valid")
    demo.run("opentrail", *validate, shows="valid")

    demo.say("6. One byte of one log file is changed on disk. Both verifiers name the file")
    victim = digested_denial(demo)[0]
    flip_one_byte(victim)
    console.print(f"(changed one byte of {victim.name})", style="yellow")
    demo.run("aws", "cloudtrail", *validate, expect=1, shows=victim.name)
    demo.run("opentrail", *validate, expect=1, shows=victim.name)


def digested_denial(demo: Demo) -> list[Path]:
    """Return the log files that tell of the refused call and that a digest lists."""
    digests = [orjson.loads(gzip.decompress(path.read_bytes())) for path in demo.archived("CloudTrail-Digest")]
    listed = {file["s3Object"].rpartition("/")[2] for digest in digests for file in digest["logFiles"]}
    return [
        path
        for path in demo.archived("CloudTrail")
        if path.name in listed and b'"AccessDenied' in gzip.decompress(path.read_bytes())
    ]


def flip_one_byte(path: Path) -> None:
    """Change one byte in the middle of a file, as someone with access to the disk could."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x01
    path.chmod(0o600)
    path.write_bytes(content)


def main() -> int:
    """Run the demo; return the exit code."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="opentrail-demo-") as folder:
        demo = Demo(Path(folder))
        try:
            with demo.serving():
                version = orjson.loads((Path(folder) / "ready.json").read_bytes())
                console.print(f"Opentrail answers at {version['gateway_url']}, its home is {folder}")
                tell(demo)
        except StepFailed as failure:
            console.print(f"\nFAILED: {failure}", style="bold red", markup=False)
            return 1
    console.print(f"\nDone in {time.monotonic() - started:.0f} s. Start your own: make run", style="bold green")
    return 0


if __name__ == "__main__":
    sys.exit(main())
