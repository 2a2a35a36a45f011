"""What an attacker may do to a delivered trail, done to one of 52 digests and 208 files: each manipulation by name.

Some need only write access to the bucket. Those that need the signing key too say so: who holds it can make any single
digest valid, and what is left to find is how the digests fit together.
"""

import gzip
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from opentrail.deliver.log_files import close_log_file, gzip_bytes
from opentrail.digest.document import sha256_hex
from tests.support.delivered_trail import DeliveredTrail, new_signer

DIGESTS, FILES, EVENTS = 52, 4, 5

Manipulation = Callable[[DeliveredTrail], Awaitable[None]]

MANIPULATIONS: dict[str, Manipulation] = {}
"""What the table calls each -> what it does."""


def manipulation(title: str) -> Callable[[Manipulation], Manipulation]:
    """Enter a manipulation into the table."""

    def enter(manipulate: Manipulation) -> Manipulation:
        MANIPULATIONS[title] = manipulate
        return manipulate

    return enter


@manipulation("1a. a byte of a log file changed")
async def change_log_file(trail: DeliveredTrail) -> None:
    _flip(trail, trail.log_files[100])


@manipulation("1b. a log file rewritten: one event altered, properly compressed")
async def rewrite_log_file(trail: DeliveredTrail) -> None:
    key = trail.log_files[100]
    raw = gzip.decompress(trail.objects[key][0])
    trail.objects[key] = (gzip_bytes(raw.replace(b"bucket-3", b"bucket-4")), {})


@manipulation("1c. a byte of a digest changed")
async def change_digest(trail: DeliveredTrail) -> None:
    key = trail.digests[20]
    body, metadata = trail.objects[key]
    raw = gzip.decompress(body).replace(b'"SHA-256"', b'"SHA-257"', 1)
    trail.objects[key] = (gzip_bytes(raw), metadata)


@manipulation("2. a log file deleted")
async def delete_log_file(trail: DeliveredTrail) -> None:
    del trail.objects[trail.log_files[100]]


@manipulation("3. a log file added")
async def add_log_file(trail: DeliveredTrail) -> None:
    start, _, end = trail.log_files[100].rpartition("_")
    assert len(end) == len("0123456789abcdef.json.gz")
    trail.objects[f"{start}_AAAAAAAAAAAAAAAA.json.gz"] = (close_log_file([b'{"eventID":"forged"}']).body, {})


@manipulation("4. a log file renamed")
async def rename_log_file(trail: DeliveredTrail) -> None:
    start, _, _ = trail.log_files[100].rpartition("_")
    trail.objects[f"{start}_AAAAAAAAAAAAAAAA.json.gz"] = trail.objects.pop(trail.log_files[100])


@manipulation("5. two log files swapped")
async def swap_log_files(trail: DeliveredTrail) -> None:
    one, other = trail.log_files[100], trail.log_files[150]
    trail.objects[one], trail.objects[other] = trail.objects[other], trail.objects[one]


@manipulation("6. a digest deleted")
async def delete_digest(trail: DeliveredTrail) -> None:
    del trail.objects[trail.digests[20]]


@manipulation("7. a digest replaced by an older one")
async def replace_digest(trail: DeliveredTrail) -> None:
    trail.objects[trail.digests[20]] = trail.objects[trail.digests[10]]


@manipulation("8. two digests in a row deleted")
async def delete_two_digests(trail: DeliveredTrail) -> None:
    del trail.objects[trail.digests[20]]
    del trail.objects[trail.digests[21]]


@manipulation("9a. the first digest cut off")
async def cut_first(trail: DeliveredTrail) -> None:
    del trail.objects[trail.digests[0]]


@manipulation("9b. the last digest cut off")
async def cut_last(trail: DeliveredTrail) -> None:
    del trail.objects[trail.digests[-1]]


@manipulation("9c. the last ten digests and their log files cut off")
async def cut_last_ten(trail: DeliveredTrail) -> None:
    for key in trail.digests[-10:] + trail.log_files[-10 * FILES :]:
        del trail.objects[key]


@manipulation("10. a signature copied from another digest")
async def copy_signature(trail: DeliveredTrail) -> None:
    key = trail.digests[20]
    trail.objects[key] = (trail.objects[key][0], trail.objects[trail.digests[21]][1])


@manipulation("11a. the key replaced: a digest signed again with the attacker's own")
async def replace_key(trail: DeliveredTrail) -> None:
    await trail.put_digest(trail.members(trail.digests[20]) | {"logFiles": []}, new_signer())


@manipulation("11b. the same, under the fingerprint of the listed key")
async def replace_key_in_secret(trail: DeliveredTrail) -> None:
    key = trail.digests[20]
    fingerprint = trail.members(key)["digestPublicKeyFingerprint"]
    await trail.put_digest(trail.members(key) | {"logFiles": []}, new_signer())
    body, metadata = trail.objects[key]
    members = orjson.loads(gzip.decompress(body)) | {"digestPublicKeyFingerprint": fingerprint}
    trail.objects[key] = (gzip_bytes(orjson.dumps(members)), metadata)


@manipulation("12a. the chain forked with the stolen key: another digest follows the same one")
async def fork_beside(trail: DeliveredTrail) -> None:
    members = trail.members(trail.digests[20])
    await trail.put_digest(_moved(members, "20260601T203000Z", "2026-06-01T20:30:00Z") | {"logFiles": []})


@manipulation("12b. a digest signed again with the stolen key, its log files left out; those deleted")
async def resign_one(trail: DeliveredTrail) -> None:
    members = trail.members(trail.digests[20])
    for file in members["logFiles"]:
        del trail.objects[file["s3Object"]]
    await trail.put_digest(members | {"logFiles": []})


@manipulation("12c. the chain forked with the stolen key: all later digests signed again upon a digest with less in it")
async def resign_the_rest(trail: DeliveredTrail) -> None:
    previous: dict[str, Any] = {}
    for key in trail.digests[20:]:
        members = trail.members(key) | previous
        if not previous:
            members["logFiles"] = members["logFiles"][1:]
        await trail.put_digest(members)
        body, metadata = trail.objects[key]
        raw_hash = sha256_hex(gzip.decompress(body))
        previous = {"previousDigestHashValue": raw_hash, "previousDigestSignature": metadata["signature"]}


@manipulation("12d. the same, and the log file that was left out deleted")
async def resign_the_rest_and_delete(trail: DeliveredTrail) -> None:
    victim = trail.members(trail.digests[20])["logFiles"][0]["s3Object"]
    await resign_the_rest(trail)
    del trail.objects[victim]


FOR_A_WITNESS = [title for title in MANIPULATIONS if title.startswith("12d.")]
"""What no verifier can find in the bucket: a history that was signed consistently, twice."""


def _flip(trail: DeliveredTrail, key: str) -> None:
    body, metadata = trail.objects[key]
    changed = bytearray(body)
    changed[len(changed) // 2] ^= 1
    trail.objects[key] = (bytes(changed), metadata)


def _moved(members: dict[str, Any], stamp: str, end_time: str) -> dict[str, Any]:
    start, _, _ = members["digestS3Object"].rpartition("_")
    return members | {"digestS3Object": f"{start}_{stamp}.json.gz", "digestEndTime": end_time}
