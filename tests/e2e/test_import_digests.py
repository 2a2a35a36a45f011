"""``opentrail import --check-digests``: what digests say of the imported log files, beside the import itself."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.manipulations.manipulations import MANIPULATIONS
from tests.support.delivered_trail import BUCKET, REGION, TRAIL, DeliveredTrail
from tests.support.object_server import ObjectServer, serving
from tests.support.server import OPENTRAIL

pytestmark = pytest.mark.e2e

DIGESTS, FILES, EVENTS = 24, 5, 3


class Site:
    """A delivered trail behind an endpoint, and a home of its own for the command."""

    def __init__(self, trail: DeliveredTrail, url: str, folder: Path) -> None:
        self.trail, self._url, self._folder = trail, url, folder

    async def run(self, *options: str, prefix: str = "") -> subprocess.CompletedProcess[str]:
        arguments = [*OPENTRAIL, "--home", str(self._folder / "home"), "import", f"s3://{BUCKET}/{prefix}"]
        environment = os.environ | {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
        return await asyncio.to_thread(
            subprocess.run,
            [*arguments, "--endpoint-url", self._url, "--check-digests", *options],
            capture_output=True,
            text=True,
            timeout=100,
            env=environment,
        )


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    trail = await DeliveredTrail().deliver(DIGESTS, FILES, EVENTS)
    async with serving(ObjectServer(trail.objects, await trail.keys())) as url:
        yield Site(trail, url, tmp_path)


async def test_digests_are_checked_and_an_altered_file_is_named_and_the_rest_imported(site: Site) -> None:
    whole = await site.run("--json")
    await MANIPULATIONS["3. a log file added"](site.trail)
    altered = await site.run()

    said = json.loads(whole.stdout)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    (chain,) = said["digests"]
    assert (chain["trail"], chain["region"], chain["is_valid"]) == (TRAIL.arn, REGION, True)
    assert chain["files"]["log"] == {"valid": DIGESTS * FILES, "invalid": 0}
    assert said["statistics"]["files_completed"] == DIGESTS * FILES
    assert altered.returncode == 1, altered.stdout + altered.stderr
    assert "CONCERN" in altered.stderr
    assert any(line.startswith("Log file\ts3://") for line in altered.stderr.splitlines())
    assert "1 concerns" in altered.stdout
    assert "files imported into" in altered.stdout


async def test_source_without_digests_or_bucket_is_refused_before_anything_is_imported(
    site: Site, tmp_path: Path
) -> None:
    nothing = await site.run(prefix="elsewhere/")
    folder = await asyncio.to_thread(
        subprocess.run,
        [*OPENTRAIL, "--home", str(tmp_path / "home"), "import", str(tmp_path), "--check-digests"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert nothing.returncode == folder.returncode == 2
    assert "there is no digest file below" in nothing.stderr
    assert "--check-digests reads a bucket" in folder.stderr
