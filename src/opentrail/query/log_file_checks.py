"""Checking one log file against what a digest says of it: hash, form, and the events by their number and tree."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from opentrail.digest.document import EVENT_TREE
from opentrail.digest.inflation import NotGzip, hash_inflated, inflate
from opentrail.digest.merkle import TREE_ALGORITHM, tree_hash
from opentrail.digest.records import NotALogFile, split_records
from opentrail.digest.verdicts import HASH_MISMATCH, INVALID_FORMAT, TRAILING_DATA, VALID

SMALL_BODY_BYTES = 64 * 1024
"""Bodies up to this size are checked in place, larger ones in a thread."""


async def judge_log_file(body: bytes, listed: Mapping[str, Any]) -> tuple[str, str]:
    """Return AWS's verdict on a log file's body, and ours on its events where the digest lists their tree ("" when
    there is nothing to say). ``listed`` is the file's entry in a valid digest."""
    if len(body) <= SMALL_BODY_BYTES:
        return judge_body(body, listed)
    return await asyncio.to_thread(judge_body, body, listed)


def judge_body(body: bytes, listed: Mapping[str, Any]) -> tuple[str, str]:
    """The same, here and now."""
    verdict = _judge_hash(body, listed.get("hashValue"))
    tree = listed.get(EVENT_TREE)
    return verdict, "" if tree is None or verdict != VALID else _judge_events(body, tree)


def _judge_hash(body: bytes, expected: object) -> str:
    with suppress(NotGzip):
        quick = hash_inflated(body)
        if quick.sha256 == expected and not quick.has_trailing_data:
            return VALID
    try:
        found = hash_inflated(body, is_exact=True)
    except NotGzip:
        return INVALID_FORMAT
    if found.has_trailing_data:
        return TRAILING_DATA
    return VALID if found.sha256 == expected else HASH_MISMATCH


def _judge_events(body: bytes, tree: object) -> str:
    if not isinstance(tree, dict) or tree.get("algorithm") != TREE_ALGORITHM:
        return "its digest lists a tree of events of an unknown kind"
    try:
        events = split_records(inflate(body).raw)
    except (NotALogFile, NotGzip) as error:
        return f"its events cannot be told apart: {error}"
    if len(events) != tree.get("eventCount"):
        return f"it has {len(events)} events and its digest says {tree.get('eventCount')}"
    return "" if tree_hash(events) == tree.get("rootHash") else "its events are not those of the tree in its digest"
