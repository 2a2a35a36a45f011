"""``opentrail validate-logs`` as a command at an endpoint: exit codes, JSON, the HTML report, going on after an end."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.conformance.manipulations.manipulations import MANIPULATIONS
from tests.support.delivered_trail import BUCKET, REGION, START_TIME, TRAIL, DeliveredTrail
from tests.support.object_server import ObjectServer, serving
from tests.support.server import OPENTRAIL

DIGESTS, FILES, EVENTS = 24, 5, 3


class Site:
    """A delivered trail behind an endpoint, and the command."""

    def __init__(self, trail: DeliveredTrail, server: ObjectServer, url: str, folder: Path) -> None:
        self.trail, self.server, self.url, self.folder = trail, server, url, folder

    async def validate(self, *options: str, command: str = "validate-logs") -> subprocess.CompletedProcess[str]:
        """Run it over the whole trail."""
        times = (f"{START_TIME:%Y-%m-%dT%H:%M:%SZ}", f"{self.trail.end_time:%Y-%m-%dT%H:%M:%SZ}")
        given = ["--trail-arn", TRAIL.arn, "--start-time", times[0], "--end-time", times[1], "--s3-bucket", BUCKET]
        arguments = [*OPENTRAIL, command, *given, "--region", REGION, "--endpoint-url", self.url, *options]
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        return await asyncio.to_thread(
            subprocess.run, arguments, capture_output=True, text=True, timeout=60, env=environment
        )


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    trail = await DeliveredTrail().deliver(DIGESTS, FILES, EVENTS)
    server = ObjectServer(trail.objects, await trail.keys())
    async with serving(server) as url:
        yield Site(trail, server, url, tmp_path)


class Page(HTMLParser):
    """The tags and the text of a page; every tag must be closed in order."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


async def test_a_whole_trail_exits_with_0_and_an_altered_one_with_1(site: Site) -> None:
    whole = await site.validate("--json")
    await MANIPULATIONS["3. a log file added"](await _long_enough(site))
    altered = await site.validate("--json")

    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout)["files"]["log"] == {"valid": DIGESTS * FILES, "invalid": 0}
    assert altered.returncode == 1
    report = json.loads(altered.stdout)
    assert (report["is_valid"], report["is_valid_to_aws"], report["concerns"]) == (False, True, 1)
    assert report["findings"][0]["kind"] == "file_concern"


async def _long_enough(site: Site) -> DeliveredTrail:
    assert len(site.trail.log_files) > 100
    return site.trail


async def test_what_cannot_be_asked_exits_with_2_and_a_sentence(site: Site) -> None:
    site.server.keys = []
    without_keys = await site.validate()
    site.url = "http://127.0.0.1:9"
    without_server = await site.validate()

    assert without_keys.returncode == without_server.returncode == 2
    assert "No public keys found between" in without_keys.stderr
    assert without_server.stderr.count("\n") == 1


@pytest.mark.slow
async def test_keys_of_a_file_are_trusted_in_the_place_of_those_listed(site: Site, tmp_path: Path) -> None:
    answer = json.loads(site.server._list_public_keys().body)  # type: ignore[arg-type]
    keys, others = tmp_path / "keys.json", tmp_path / "others.json"
    keys.write_text(json.dumps(answer))
    stranger = DeliveredTrail()
    await stranger.deliver(1, 0, 0)
    site.server.keys = await stranger.keys()
    others.write_text(json.dumps(json.loads(site.server._list_public_keys().body)))  # type: ignore[arg-type]

    assert (await site.validate("--public-keys", str(keys))).returncode == 0
    assert (await site.validate("--public-keys", str(others))).returncode == 1
    assert (await site.validate()).returncode == 1


async def test_an_interrupted_validation_goes_on_and_a_finished_one_leaves_nothing(site: Site, tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    broken = site.trail.log_files[10]
    body = site.trail.objects[broken]
    site.server.fail_on = broken
    interrupted = await site.validate("--resume", str(state))
    noted = len(state.read_text().splitlines())
    site.server.fail_on = ""
    before = site.server.gets
    site.trail.objects[site.trail.log_files[-1]] = body
    resumed = await site.validate("--resume", str(state), "--json")

    assert interrupted.returncode == 2, interrupted.stdout
    assert noted > DIGESTS
    report = json.loads(resumed.stdout)
    assert report["remembered"] > DIGESTS
    assert site.server.gets - before == DIGESTS + DIGESTS * FILES - report["remembered"]
    assert [finding["key"] for finding in report["findings"]] == [site.trail.log_files[-1]]
    assert not state.exists()


async def test_a_report_is_one_sound_page_without_scripts_that_names_every_finding(site: Site, tmp_path: Path) -> None:
    hostile = site.trail.log_files[50].replace("_us-east-1_", "_<script>alert(1)</script>&\"'_")
    site.trail.objects[hostile] = site.trail.objects[site.trail.log_files[50]]
    del site.trail.objects[site.trail.digests[20]]
    del site.trail.objects[site.trail.log_files[50]]

    await site.validate("--html", str(tmp_path / "report.html"))

    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert "script" not in page.tags
    assert "http" not in re.sub(r"http-equiv", "", text).replace(site.url, "")
    words = "".join(page.words)
    for key in (hostile, site.trail.digests[20]):
        assert key in words
    assert "The record was altered, or is incomplete." in words
    assert page.tags.count("svg") == 1
    assert "1 digest missing by the schedule" in words


@pytest.mark.slow
async def test_a_report_of_a_whole_trail_says_so(site: Site, tmp_path: Path) -> None:
    await site.validate("--html", str(tmp_path / "report.html"))

    words = "".join(Page((tmp_path / "report.html").read_text()).words)
    assert "Nothing was altered." in words
    assert f"{DIGESTS} / {DIGESTS}" in words
    assert f"ListPublicKeys of {site.url}" in words
