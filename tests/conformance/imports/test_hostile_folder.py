"""A folder of everything that can be wrong with a log file: each is named with its place, and all that is whole in it
comes into the table."""

import gzip
import os
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from opentrail.adapters.import_log.local import LocalImportLog
from opentrail.adapters.lake_table.delta import DeltaLakeTables
from opentrail.adapters.log_source.folder import FolderSource
from opentrail.pipeline.imports import Imports
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn
from opentrail.resource.lake_import import ImportSource, ImportStatus
from tests.builders import ACCOUNT, REGION, World

pytestmark = pytest.mark.slow

BOMB_BYTES = 257 * 1024 * 1024
FAILURES = {
    "01-cut.json.gz": ("CorruptObject", "the gzip stream ends early"),
    "02-bomb.json.gz": ("CorruptObject", "inflates to more than"),
    "03-other.json": ("MalformedRecord", "no record of CloudTrail"),
    "04-deep.json": ("MalformedRecord", "broken"),
    "06-nul.json": ("UnknownFormat", "not JSON"),
    "08-latin-1.json": ("MalformedRecord", "not UTF-8"),
    "09-no-time.json": ("InvalidEventTime", "no eventTime"),
    "11-types.json": ("MalformedRecord", "no record with a time"),
    "14-empty.json": ("EmptyObject", "empty"),
    "14-empty.json.gz": ("EmptyObject", "empty"),
    "17-mixed.ndjson": ("MalformedRecord", "no JSON"),
    "18-utf-16.json": ("UnknownFormat", "UTF-16"),
    "20-logs.zip": ("UnknownFormat", "zip archive"),
    "21-envelope.json": ("MalformedRecord", "no record of CloudTrail"),
    "22-digest.json.gz": ("NotALogFile", "digest file"),
    "25-noise.gz": ("UnknownFormat", "not JSON"),
    "26-tail.json.gz": ("CorruptObject", "not gzip follows"),
    "31-surrogate.json": ("MalformedRecord", "no JSON object"),
    "32-cut.json": ("MalformedRecord", "ends early"),
    "41-time.json": ("InvalidEventTime", "is no time"),
    "42-folder-gone.json": ("AccessDenied", "this folder may not be listed"),
}
"""What is wrong with each file: the type of its failures, one of whose messages says this."""

TAKEN = {
    *("00", "01", "05", "05-after", "07", "09", "10", "11", "12", "15", "17-1", "17-3", "19", "23", "24", "26", "27"),
    *("28", "29", "30", "32", "35", "37", "38", "44"),
}


class Folder:
    """A folder of files, and the events that are whole in them."""

    def __init__(self, root: Path, world: World) -> None:
        self.root = root
        self.now = world.clock.now()

    def event(self, event_id: str, days: Any = 0.2, **changes: Any) -> dict[str, Any]:
        made: dict[str, Any] = {
            "eventVersion": "1.08",
            "eventTime": f"{self.now - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}",
            "eventID": event_id,
            "eventName": "DeleteBucket",
            "eventSource": "s3.amazonaws.com",
            "awsRegion": REGION,
            "userIdentity": {"type": "Root"},
        }
        return {name: value for name, value in (made | changes).items() if value is not ...}

    def write(self, name: str | bytes, body: bytes) -> None:
        path = Path(os.fsdecode(os.fsencode(self.root) + b"/" + os.fsencode(name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def log_file(self, *events: Any) -> bytes:
        return orjson.dumps({"Records": list(events)})

    def fill(self) -> None:
        event, write, log_file = self.event, self.write, self.log_file
        write("00-good.json.gz", gzip.compress(log_file(event("00"))))
        noise = [event(f"noise-{number}", userAgent=os.urandom(60).hex()) for number in range(20)]
        write("01-cut.json.gz", gzip.compress(log_file(event("01"), *noise))[:-1200])
        write("02-bomb.json.gz", gzip.compress(b'{"Records":[' + b" " * BOMB_BYTES + b"]}", 1))
        write("03-other.json", b'{"hello":"world"}')
        write("04-deep.json", b'{"Records":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}")
        long = orjson.dumps(event("05", requestParameters={"x": "y" * (4 << 20)}))
        write("05-long.ndjson", long + b"\n" + orjson.dumps(event("05-after")))
        write("06-nul.json", bytes(5000))
        write("07-nul-inside.json", log_file(event("07", userAgent="a\0b")))
        write("08-latin-1.json", log_file(event("08", userAgent="QQ")).replace(b"QQ", b"\xe9\xff"))
        write("09-no-time.json", log_file(event("no-time", eventTime=...), event("09")))
        write("10-no-id.json", log_file(event("", eventID=..., requestID="10")))
        odd: dict[str, Any] = {"eventName": ["x"], "userIdentity": "me", "resources": {"a": 1}, "readOnly": "maybe"}
        write("11-types.json", log_file(event("x", eventTime=5), event("11", **odd), 42, None, "s", ["x"]))
        write("12-links/file.json", log_file(event("12")))
        (self.root / "12-links" / "up").symlink_to("..")
        (self.root / "12-links" / "self").symlink_to("self")
        write("14-empty.json", b"")
        write("14-empty.json.gz", gzip.compress(b""))
        write("15-folder.json.gz/inside.json", log_file(event("15")))
        write("17-mixed.ndjson", orjson.dumps(event("17-1")) + b"\n{broken\n\n" + orjson.dumps(event("17-3")))
        write("18-utf-16.json", log_file(event("18")).decode().encode("utf-16"))
        write("19-bom.json", b"\xef\xbb\xbf" + log_file(event("19")))
        with zipfile.ZipFile(self.root / "20-logs.zip", "w") as packed:
            packed.writestr("a.json", log_file(event("20")))
        write("21-envelope.json", b'{"detail-type":"AWS API Call via CloudTrail","source":"aws.s3"}')
        write("22-digest.json.gz", gzip.compress(b'{"digestS3Bucket":"b","digestStartTime":"x","logFiles":[]}'))
        write("23-future.json", log_file(event("future", days=-3), event("23")))
        write("24-old.json", log_file(event("old", days=4000), event("24")))
        write("25-noise.gz", b"\0" + os.urandom(5000))
        write("26-tail.json.gz", gzip.compress(log_file(event("26"))) + b"garbage")
        write("27-array.json", orjson.dumps([event("27")]))
        write("28-one.json", orjson.dumps(event("28")))
        write("29-twice.json", log_file(event("29"), event("29")))
        write("30-number.json", log_file(event("30")).replace(b'"type":"Root"', b'"type":"Root","n":' + b"9" * 400))
        write("31-surrogate.json", log_file(event("31", userAgent="Q")).replace(b'"Q"', b'"\\ud800"'))
        write("32-cut.json", log_file(event("32"), event("cut"))[:-20])
        write("35-doubled.json", log_file(event("35")).replace(b'"eventName":', b'"eventName":"A","eventName":'))
        write("37-new\nline.json", log_file(event("37")))
        write(b"38-\xff.json", log_file(event("38")))
        os.mkfifo(self.root / "40-pipe")
        write("41-time.json", log_file(event("41", eventTime="2026-13-45T99:00:00Z")))
        envelope = {"detail-type": "AWS API Call via CloudTrail", "source": "aws.s3", "detail": event("44")}
        write("44-envelope.json", orjson.dumps(envelope))


class OneFolderRefused(FolderSource):
    """As the system refuses a folder to those who are not root: it stands in the listing, and reading it fails."""

    def _below(self, folder: str, after: tuple[str, ...]) -> Any:
        if folder == "42-folder-gone.json":
            raise PermissionError
        return super()._below(folder, after)


async def test_a_folder_of_bad_files_is_survived_and_each_is_named(tmp_path: Path) -> None:
    world = World()
    now = world.clock.now()
    arn = event_data_store_arn(REGION, ACCOUNT, "11111111-1111-4111-8111-111111111111")
    store = EventDataStore(arn, "imported", ACCOUNT, REGION, now, now, retention_days=3653)
    entry = SettingsEntry(store.arn, store.to_json())
    await world.trails.apply(await world.journal.append([entry]), entry)
    root = tmp_path / "logs"
    root.mkdir()
    Folder(root, world).fill()
    (root / "42-folder-gone.json").mkdir()
    lake = LakeDelivery(world.journal, world.event_data_stores, DeltaLakeTables(tmp_path / "lake"), world.clock)
    source = OneFolderRefused(root, lambda key: True)
    imports = Imports(
        LocalImportLog(tmp_path / "imports"),
        world.event_data_stores,
        lambda asked, selection: source,
        lake,
        world.clock,
        world.identifiers,
    )
    await imports.open()

    done = await imports.wait(await imports.start(store, ImportSource(str(root))), 120)

    assert (done.status, done.error_message) == (ImportStatus.FAILED, "")
    failures, _ = await imports.failures(done, 0, 1000)
    named: dict[str, list[tuple[str, str]]] = {}
    for one in failures:
        key = one.location.removeprefix(f"{root}/")
        named.setdefault(key, []).append((one.error_type, f"{one.place} {one.message}"))
    assert named.keys() == FAILURES.keys()
    for key, (error_type, said) in FAILURES.items():
        assert any(kind == error_type and said in text for kind, text in named[key]), (key, named[key])
    snapshot = await lake.snapshot(arn)
    rows = [
        row
        for file in snapshot.files
        for row in pq.read_table(file.location, columns=["eventid", "requestid"]).to_pylist()
    ]
    assert {row["eventid"] or row["requestid"] for row in rows} - {f"noise-{number}" for number in range(20)} == TAKEN
    assert (done.statistics.events_expired, done.statistics.duplicates) == (2, 1)
