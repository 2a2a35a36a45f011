"""A witness's receipt as an object beside its digest, written and read (docs/formats/witness.md)."""

import base64
from datetime import datetime

import orjson

from opentrail.clock import format_time
from opentrail.digest.statement import Statement, statement_of

RECEIPT_TYPE = "opentrail.receipt.v1"


def format_receipt(statement: Statement, witness: str, kind: str, attested_at: datetime, evidence: bytes) -> bytes:
    """Return the object's bytes; the same receipt gives the same bytes."""
    document = {
        "type": RECEIPT_TYPE,
        "witness": witness,
        "kind": kind,
        "attestedAt": format_time(attested_at),
        "statement": orjson.loads(statement.to_bytes()),
        "evidence": base64.b64encode(evidence).decode(),
    }
    return orjson.dumps(document)


def parse_receipt(body: bytes) -> tuple[Statement, bytes]:
    """Return the statement and the evidence, neither verified. Raises ValueError for anything else than a receipt."""
    document = orjson.loads(body)
    if not isinstance(document, dict) or document.get("type") != RECEIPT_TYPE:
        raise ValueError(f"not a receipt of type {RECEIPT_TYPE}")
    return statement_of(document.get("statement")), base64.b64decode(str(document.get("evidence", "")), validate=True)
