"""Delivered results: their files, their signature, and what verifying them finds."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from opentrail.digest.result_sign import ResultSignInvalid, parse_result_sign
from opentrail.digest.signing import is_signature_of, load_public_key
from opentrail.ports import Unavailable
from opentrail.query import result_delivery
from opentrail.query.result_delivery import ResultDelivery
from opentrail.query.result_verification import BucketFiles, FolderFiles, ResultFinding, verify_result
from opentrail.resource.lake_query import DeliveryStatus, LakeQuery
from opentrail.resource.query import QueryStatus
from opentrail.resource.result_layout import parse_delivery_uri
from tests.builders import ACCOUNT, NOON, REGION
from tests.memory.object_store import InMemoryObjectStore, InMemoryObjectStores
from tests.memory.query_engine import InMemoryQueryLog
from tests.memory.signer import InMemorySigner

FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail-Lake/Query/2026/11/20/q/"
ROWS: list[list[str | None]] = [["1", 'say "no",\nplease'], ["ü", None]]


async def a_query(log: InMemoryQueryLog[LakeQuery], pages: Sequence[list[list[str | None]]] = (ROWS,)) -> LakeQuery:
    places, start = [], 0
    for rows in pages:
        data = orjson.dumps(rows)
        await log.append_page("q", start, data)
        places.append((start, len(data), len(rows)))
        start += len(data)
    return LakeQuery(
        id="q", account_id=ACCOUNT, region=REGION, event_data_stores=("arn:store",), statement="SELECT 1",
        created_at=NOON, status=QueryStatus.FINISHED, columns=(("id", "varchar"), ("why", "varchar")),
        pages=tuple(places), delivery_s3_uri="s3://logs", delivery_status="PENDING", ended_at=NOON,
    )  # fmt: skip


class Delivered:
    """A result that was delivered, and what it was signed with."""

    def __init__(self) -> None:
        self.bucket, self.signer, self.log = (
            InMemoryObjectStore("logs"),
            InMemorySigner(),
            InMemoryQueryLog(LakeQuery.from_json),
        )

    async def deliver(self, pages: Sequence[list[list[str | None]]] = (ROWS,)) -> DeliveryStatus:
        stores = InMemoryObjectStores(self.bucket)
        delivery = ResultDelivery(stores, self.signer, first_pause_seconds=0)
        return await delivery.deliver(await a_query(self.log, pages), self.log)

    def body(self, name: str) -> bytes:
        return self.bucket.objects[FOLDER + name].body

    def replace(self, name: str, body: bytes) -> None:
        found = self.bucket.objects[FOLDER + name]
        self.bucket.objects[FOLDER + name] = type(found)(found.summary, body)

    async def findings(self) -> dict[str, str]:
        return told(await verify_result(BucketFiles(self.bucket, FOLDER), self.signer))


def told(findings: Sequence[ResultFinding]) -> dict[str, str]:
    return {finding.name: str(finding.verdict) for finding in findings}


@pytest.fixture
async def delivered() -> Delivered:
    result = Delivered()
    assert await result.deliver() is DeliveryStatus.SUCCESS
    return result


async def test_the_file_is_gzip_csv_with_a_header(delivered: Delivered) -> None:
    lines = list(csv.reader(io.StringIO(gzip.decompress(delivered.body("result_1.csv.gz")).decode())))

    assert lines == [["id", "why"], ["1", 'say "no",\nplease'], ["ü", ""]]


async def test_the_sign_file_is_as_documented(delivered: Delivered) -> None:
    sign = json.loads(delivered.body("result_sign.json"))
    keys = await delivered.signer.public_keys(REGION, NOON, NOON)

    hashed = hashlib.sha256(delivered.body("result_1.csv.gz")).hexdigest()
    assert {name: sign[name] for name in sign if name != "hashSignature"} == {
        "version": "1.0",
        "region": REGION,
        "files": [{"fileHashValue": hashed, "fileName": "result_1.csv.gz"}],
        "hashAlgorithm": "SHA-256",
        "signatureAlgorithm": "SHA256withRSA",
        "queryCompleteTime": "2026-11-20T12:00:00Z",
        "publicKeyFingerprint": keys[0].fingerprint,
    }
    assert is_signature_of(load_public_key(keys[0].der), hashed.encode(), sign["hashSignature"])


async def test_a_large_result_has_many_files_signed_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_delivery, "FILE_BYTES", 1)
    result = Delivered()

    assert await result.deliver([ROWS, ROWS, ROWS]) is DeliveryStatus.SUCCESS

    sign = json.loads(result.body("result_sign.json"))
    assert [file["fileName"] for file in sign["files"]] == [f"result_{at}.csv.gz" for at in (1, 2, 3)]
    assert set((await result.findings()).values()) == {"valid"}
    assert all(gzip.decompress(result.body(f"result_{at}.csv.gz")).startswith(b"id,why\n") for at in (1, 2, 3))


async def test_a_result_without_rows_is_a_header() -> None:
    result = Delivered()

    assert await result.deliver([]) is DeliveryStatus.SUCCESS
    assert gzip.decompress(result.body("result_1.csv.gz")) == b"id,why\n"


async def test_delivering_twice_changes_nothing(delivered: Delivered) -> None:
    before = dict(delivered.bucket.objects)

    assert await delivered.deliver() is DeliveryStatus.SUCCESS
    assert delivered.bucket.objects == before


async def test_a_foreign_object_in_the_way_fails_the_delivery(delivered: Delivered) -> None:
    delivered.replace("result_1.csv.gz", b"x")

    assert await delivered.deliver() is DeliveryStatus.FAILED


async def test_a_store_that_does_not_answer_is_tried_again_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Delivered()
    result.bucket.failure = Unavailable("down")

    assert await result.deliver() is DeliveryStatus.FAILED


async def test_what_is_as_it_was_delivered_is_valid(delivered: Delivered, tmp_path: Path) -> None:
    assert await delivered.findings() == {"result_sign.json": "valid", "result_1.csv.gz": "valid"}

    for name in ("result_1.csv.gz", "result_sign.json"):
        (tmp_path / name).write_bytes(delivered.body(name))
    assert told(await verify_result(FolderFiles(tmp_path), delivered.signer)) == await delivered.findings()


async def test_every_change_is_found(delivered: Delivered) -> None:
    body, sign = delivered.body("result_1.csv.gz"), json.loads(delivered.body("result_sign.json"))

    delivered.replace("result_1.csv.gz", body + b"\0")
    assert (await delivered.findings())["result_1.csv.gz"] == "altered"

    forged = hashlib.sha256(body + b"\0").hexdigest()
    delivered.replace(
        "result_sign.json", orjson.dumps(sign | {"files": [{"fileHashValue": forged, "fileName": "result_1.csv.gz"}]})
    )
    assert await delivered.findings() == {"result_sign.json": "altered", "result_1.csv.gz": "valid"}

    delivered.replace("result_sign.json", orjson.dumps(sign))
    delivered.replace("result_1.csv.gz", body)
    await delivered.bucket.put_if_absent(FOLDER + "result_2.csv.gz", b"", content_type="")
    assert (await delivered.findings())["result_2.csv.gz"] == "not listed"

    del delivered.bucket.objects[FOLDER + "result_1.csv.gz"]
    assert (await delivered.findings())["result_1.csv.gz"] == "missing"

    delivered.replace("result_sign.json", orjson.dumps(sign | {"publicKeyFingerprint": "0" * 32}))
    assert (await delivered.findings())["result_sign.json"] == "signed with an unknown key"

    del delivered.bucket.objects[FOLDER + "result_sign.json"]
    assert await delivered.findings() == {"result_sign.json": "missing"}


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"files": [{"fileName": "../x", "fileHashValue": "0" * 64}]},
        {"files": [{"fileName": "x", "fileHashValue": "0"}]},
        {"files": 5},
        {"signatureAlgorithm": "none"},
        {"hashAlgorithm": None},
        {"queryCompleteTime": "soon"},
    ],
)
async def test_a_sign_file_that_is_none_is_invalid(delivered: Delivered, change: dict[str, Any]) -> None:
    delivered.replace("result_sign.json", orjson.dumps(json.loads(delivered.body("result_sign.json")) | change))

    assert await delivered.findings() == {"result_sign.json": "invalid"}


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'"x"', b"null", b"{" * 10_000])
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with pytest.raises(ResultSignInvalid):
        parse_result_sign(data)


@pytest.mark.parametrize(
    ("uri", "bucket", "prefix"),
    [("s3://abc", "abc", ""), ("s3://abc/", "abc", ""), ("s3://abc/x/y", "abc", "x/y/"), ("s3://abc/x/", "abc", "x/")],
)
def test_an_address_names_a_bucket_and_a_prefix(uri: str, bucket: str, prefix: str) -> None:
    assert parse_delivery_uri(uri) == (bucket, prefix)


@pytest.mark.parametrize("uri", ["", "s3://", "s3://A", "https://abc/x", "s3://ab", "s3://abc/" + "x" * 1024])
def test_no_address_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_delivery_uri(uri)
