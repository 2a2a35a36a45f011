"""s3fs and awswrangler, unmodified: data frames and files through the gateway."""

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.clients.stage import Stage, assert_recorded, parameters_of
from tests.support.clients import require_library

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROGRAMS = Path(__file__).parent / "programs"
USER = "data-user"


@pytest.fixture(scope="module", autouse=True)
def _user(stage: Stage) -> None:
    stage.make_user(USER)


def run(stage: Stage, program: str, *arguments: str) -> Any:
    return orjson.loads(stage.run([require_library("python"), str(PROGRAMS / program), *arguments], USER))


def test_s3fs_reads_and_writes_files_whole_and_every_call_is_on_record(stage: Stage) -> None:
    mark = stage.mark()

    told = run(stage, "s3fs_calls.py")
    events = mark.events()

    assert told["back"] == told["sent"]
    stored = stage.upstream("s3").get_object(Bucket="fs-bucket", Key="large")["Body"].read()
    assert hashlib.sha256(stored).hexdigest() == told["sent"]
    assert (told["middle"], told["small"], told["tail"], told["missing"]) == (True, True, True, False)
    assert told["size"] == len(stored)
    names = ("folder/copied", "folder/piped", "folder/small file", "large")
    assert told["listed"] == [f"fs-bucket/{name}" for name in names]
    assert told["left"] == ["fs-bucket/large"]
    assert mark.assert_unchanged() > 20
    assert_recorded(mark, events, USER)
    assert [put["key"] for put in parameters_of(events, "PutObject")] == ["folder/small file", "folder/piped"]
    assert sorted(part["partNumber"] for part in parameters_of(events, "UploadPart")) == ["1", "2", "3"]
    [copied] = parameters_of(events, "CopyObject")
    assert (copied["key"], copied["x-amz-copy-source"]) == ("folder/copied", "fs-bucket/folder/piped")


def test_awswrangler_keeps_a_lake_and_every_call_is_on_record(stage: Stage, tmp_path: Path) -> None:
    mark = stage.mark()

    told = run(stage, "awswrangler_calls.py", str(tmp_path))
    events = mark.events()

    assert told["same"] == [True, True, True]
    assert told["back"] == told["sent"]
    assert (told["listed"], told["tables"], told["columns"]) == (7, ["words"], {"id": "bigint", "word": "string"})
    assert mark.assert_unchanged() > 20
    assert_recorded(mark, events, USER)
    [table] = parameters_of(events, "CreateTable")[:1]
    assert (table["databaseName"], table["tableInput"]["name"]) == ("lake", "words")
    assert {put["key"].split("/")[0] for put in parameters_of(events, "PutObject")} == {"plain", "lake"}
    assert "hush-hush" not in str(events)
