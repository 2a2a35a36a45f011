"""Log files that CloudTrail delivered, closed again by us from their own records: the same text, byte for byte."""

import gzip
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from opentrail.deliver.log_files import close_log_file
from opentrail.resource.delivery_layout import log_file_key

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "corpus" / "real" / "invictus-ir" / "CloudTrail"
NAME = re.compile(r"(\d{12})_CloudTrail_([a-z0-9-]+)_(\d{8}T\d{4}Z)_([0-9A-Za-z]{16})\.json")


def real_files() -> list[Path]:
    files = sorted(FOLDER.glob("*.json"))
    if not files and not os.environ.get("CI"):
        pytest.skip("the corpus is not here")
    assert files
    return files


def test_our_file_has_the_text_of_cloudtrails() -> None:
    for path in real_files():
        text = path.read_bytes().rstrip(b"\n")
        records = orjson.loads(text)["Records"]

        ours = gzip.decompress(close_log_file([orjson.dumps(record) for record in records]).body)

        assert orjson.loads(ours) == orjson.loads(text)
        assert ours[:12] == text[:12] == b'{"Records":['
        assert ours[-2:] == text[-2:] == b"]}"


def test_our_names_have_the_form_of_cloudtrails() -> None:
    for path in real_files():
        found = NAME.fullmatch(path.name)
        assert found is not None
        account, region, stamp, suffix = found.groups()
        moment = datetime.strptime(stamp, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
        assert log_file_key("", account, region, moment, suffix).rpartition("/")[2] == path.name + ".gz"
