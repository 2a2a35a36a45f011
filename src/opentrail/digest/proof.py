"""The proof of a single event: made from its log file and digest, and judged with nothing but a trusted public key.

A proof shows one event, the digest that answers for its log file, and the hashes in between (docs/formats/proof.md).
What it is read from is hostile: every step that does not hold raises ProofInvalid with what is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from opentrail.digest.document import EVENT_TREE
from opentrail.digest.key_file import TrustedKey
from opentrail.digest.merkle import HASH_BYTES, TREE_ALGORITHM, PathInvalid, audit_path, root_from_path
from opentrail.digest.records import split_records
from opentrail.digest.verification import DigestInvalid, ReadDigest, check_signature, digest_of

PROOF_FORMAT = "opentrail-event-proof/1"

MAX_PROOF_BYTES = 16 * 1024 * 1024
"""A digest of some thirty thousand log files; a longer proof is not read."""

MAX_PATH = 64
"""Hashes in an audit path: a tree of 2^64 events."""

_MAX_INDEX = 2**53


class ProofInvalid(ValueError):
    """What a proof does not prove; the message says why, for the person who was given it."""


class KeyNotTrusted(Exception):
    """The proof's digest names a key that is not among the trusted ones: nothing can be said."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(fingerprint)
        self.fingerprint = fingerprint


@dataclass(frozen=True, slots=True)
class EventProof:
    """A proof as its file has it; nothing in it is checked yet."""

    event: bytes
    leaf_index: int
    audit_path: tuple[bytes, ...]
    bucket: str
    key: str
    digest: bytes
    digest_signature: str
    fingerprint: str

    def to_json(self) -> bytes:
        """Return the proof file's bytes."""
        document = {
            "format": PROOF_FORMAT,
            "event": self.event.decode(),
            "leafIndex": self.leaf_index,
            "auditPath": [node.hex() for node in self.audit_path],
            "s3Bucket": self.bucket,
            "s3Object": self.key,
            "digest": self.digest.decode(),
            "digestSignature": self.digest_signature,
            "publicKeyFingerprint": self.fingerprint,
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class ProvedEvent:
    """What a proof that holds says: ``event`` was event ``leaf_index`` of ``event_count`` in one log file of those that
    were delivered from ``start_time`` to ``end_time``, signed for with ``key``."""

    event: Mapping[str, Any]
    leaf_index: int
    event_count: int
    bucket: str
    object_key: str
    digest: ReadDigest
    key: TrustedKey


def make_proof(
    digest: ReadDigest, bucket: str, key: str, raw_file: bytes, is_wanted: Callable[[bytes], bool]
) -> EventProof | None:
    """Return the proof of the first wanted event of an uncompressed log file, None when it has none.

    ``is_wanted`` is asked with each event's bytes. Raises ValueError for a file that is not in our form.
    """
    events = split_records(raw_file)
    index = next((at for at, event in enumerate(events) if is_wanted(event)), None)
    if index is None:
        return None
    path = tuple(audit_path(events, index))
    return EventProof(events[index], index, path, bucket, key, digest.raw, digest.signature, digest.fingerprint)


def parse_proof(data: bytes) -> EventProof:
    """Read a proof file. Raises ProofInvalid for anything that is not exactly one."""
    if len(data) > MAX_PROOF_BYTES:
        raise ProofInvalid(f"the file is longer than {MAX_PROOF_BYTES} bytes")
    try:
        members = orjson.loads(data)
    except ValueError as error:
        raise ProofInvalid("the file is no JSON") from error
    if not isinstance(members, dict) or members.get("format") != PROOF_FORMAT:
        raise ProofInvalid(f"the file is no {PROOF_FORMAT}")
    names = {"format", "leafIndex", "auditPath", *_TEXTS}
    if set(members) != names:
        raise ProofInvalid(f"the file has not the members {', '.join(sorted(names))}")
    index = members["leafIndex"]
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < _MAX_INDEX:
        raise ProofInvalid("leafIndex is no index")
    texts = [_text(members, name) for name in _TEXTS]
    event, bucket, key, digest, signature, fingerprint = texts
    path = _path(members["auditPath"])
    return EventProof(event.encode(), index, path, bucket, key, digest.encode(), signature, fingerprint)


_TEXTS = ("event", "s3Bucket", "s3Object", "digest", "digestSignature", "publicKeyFingerprint")


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise ProofInvalid(f"{name} is no text")
    return value


def _path(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_PATH:
        raise ProofInvalid(f"auditPath is no list of at most {MAX_PATH} hashes")
    nodes = []
    for node in value:
        try:
            nodes.append(bytes.fromhex(node))
        except (TypeError, ValueError) as error:
            raise ProofInvalid("auditPath holds something that is no hash") from error
        if len(nodes[-1]) != HASH_BYTES:
            raise ProofInvalid("auditPath holds a hash of another length")
    return tuple(nodes)


def digest_in(proof: EventProof) -> ReadDigest:
    """Return the digest that a proof carries, unverified: which key and time to ask for. Raises ProofInvalid."""
    try:
        digest = digest_of(proof.digest, proof.digest_signature)
        _ = digest.start_time, digest.end_time
    except (DigestInvalid, ValueError) as error:
        raise ProofInvalid("the digest is no digest") from error
    if digest.fingerprint != proof.fingerprint:
        raise ProofInvalid("the digest names another key than the proof")
    return digest


def check_proof(proof: EventProof, keys: Sequence[TrustedKey]) -> ProvedEvent:
    """Judge a proof with trusted keys. Raises ProofInvalid, or KeyNotTrusted when the key is not among them."""
    digest = digest_in(proof)
    key = next((key for key in keys if key.fingerprint == digest.fingerprint), None)
    if key is None:
        raise KeyNotTrusted(digest.fingerprint)
    try:
        check_signature(digest, key.der, "")
    except DigestInvalid as error:
        raise ProofInvalid(f"the digest's {error}" if "signature" in str(error) else str(error)) from error
    if not key.is_valid_at(digest.end_time):
        raise ProofInvalid(f"the key was not valid at {digest.members['digestEndTime']}, when the digest ended")
    size, root = _tree_of(digest, proof.bucket, proof.key)
    try:
        found = root_from_path(proof.event, proof.leaf_index, size, proof.audit_path)
    except PathInvalid as error:
        raise ProofInvalid(str(error)) from error
    if found != root:
        raise ProofInvalid("the audit path does not lead from the event to the root that the digest lists")
    return ProvedEvent(_event(proof.event), proof.leaf_index, size, proof.bucket, proof.key, digest, key)


def _tree_of(digest: ReadDigest, bucket: str, key: str) -> tuple[int, str]:
    found = [file for file in digest.listed if file.get("s3Bucket") == bucket and file.get("s3Object") == key]
    if len(found) != 1:
        raise ProofInvalid("the digest does not list the log file" if not found else "the digest lists the file twice")
    tree = found[0].get(EVENT_TREE)
    if not isinstance(tree, dict) or tree.get("algorithm") != TREE_ALGORITHM:
        raise ProofInvalid("the digest lists the log file without the tree of its events")
    size, root = tree.get("eventCount"), tree.get("rootHash")
    if not isinstance(size, int) or isinstance(size, bool) or not isinstance(root, str):
        raise ProofInvalid("the digest's tree is malformed")
    return size, root


def _event(raw: bytes) -> Mapping[str, Any]:
    try:
        event = orjson.loads(raw)
    except ValueError as error:
        raise ProofInvalid("what is proved is no JSON") from error
    if not isinstance(event, dict):
        raise ProofInvalid("what is proved is no event")
    return event
