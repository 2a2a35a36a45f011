"""A replay over an event data store: which store is meant, and what of its table is read."""

from collections.abc import Sequence
from datetime import UTC, datetime

from opentrail.lakesql.store_schema import schema_of_kind
from opentrail.ports.lake_table import LakeSnapshot
from opentrail.ports.query_engine import EngineTable
from opentrail.ports.replay import CountingJob
from opentrail.query.replay.rules import InvalidReplay
from opentrail.resource.event_data_store import EventDataStore

VIEW = "events"
"""The table's name in what the engine is asked."""


def store_named(given: str, stores: Sequence[EventDataStore]) -> EventDataStore:
    """Return the store with this name, id or ARN. Raises InvalidReplay."""
    found = [store for store in stores if given in (store.arn, store.id, store.name)]
    if not found:
        raise InvalidReplay(f"there is no event data store {given[:256]!r}")
    if len(found) > 1:
        raise InvalidReplay(f"several event data stores are called {given[:256]!r}: say which by its ARN")
    if found[0].is_pending_deletion:
        raise InvalidReplay(f"the event data store {given[:256]!r} is to be deleted: restore it first")
    return found[0]


def tables_of(snapshot: LakeSnapshot, job: CountingJob) -> EngineTable:
    """Return what of a snapshot a job reads: the files of its days, and what is not committed yet."""
    first = datetime.fromtimestamp(job.start, UTC).date()
    last = datetime.fromtimestamp(job.end - 1, UTC).date()
    columns = schema_of_kind(snapshot.kind).columns
    files = [file for file in snapshot.files if first <= file.day <= last]
    return EngineTable(
        VIEW,
        tuple(name for name, _ in columns),
        tuple(kind.duckdb for _, kind in columns),
        tuple(file.location for file in files),
        snapshot.fresh,
        file_keys={file.location: file.key for file in files if file.key},
        is_encrypted=snapshot.is_encrypted,
    )
