"""Every key under which a digest's attestation lies, composed and read in this one place (docs/formats/witness.md).

```
[prefix/]AWSLogs/.../CloudTrail-Witness/<region>/YYYY/MM/DD/<digest's name>_<witness>.json
[prefix/]<digest's bucket>/<digest's key without .json.gz>.json
```
The first is a receipt in the digest's own bucket, the second a statement in the bucket of a witness.
"""

import re

from opentrail.resource.delivery_layout import DIGEST_FOLDER

RECEIPT_FOLDER = "CloudTrail-Witness"

_DIGEST_ENDING = ".json.gz"
_STATEMENT_ENDING = ".json"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def is_witness_name(name: str) -> bool:
    """Say whether ``name`` can be a witness's: lower-case letters, digits and hyphens, at most 63."""
    return _NAME.fullmatch(name) is not None


def receipt_folder(digest_folder: str) -> str:
    """Return the prefix of the receipts of the digests below ``digest_folder`` (DigestPlace.folder)."""
    return digest_folder.replace(f"/{DIGEST_FOLDER}/", f"/{RECEIPT_FOLDER}/", 1)


def receipt_key(digest_key: str, witness: str) -> str:
    """Return the key of a digest's receipt from one witness, in the digest's own bucket."""
    return f"{receipt_folder(digest_key.removesuffix(_DIGEST_ENDING))}_{witness}{_STATEMENT_ENDING}"


def receipt_digest_key(key: str, witness: str) -> str | None:
    """Return the digest that a receipt key of ``witness`` is about; None for any other key."""
    ending = f"_{witness}{_STATEMENT_ENDING}"
    if not key.endswith(ending):
        return None
    return key.removesuffix(ending).replace(f"/{RECEIPT_FOLDER}/", f"/{DIGEST_FOLDER}/", 1) + _DIGEST_ENDING


def statement_folder(prefix: str, bucket: str, digest_folder: str) -> str:
    """Return the prefix, in a witness's bucket, of the statements about digests below ``digest_folder``."""
    return "/".join(part for part in (prefix, bucket, digest_folder) if part)


def statement_key(prefix: str, bucket: str, digest_key: str) -> str:
    """Return the key of a digest's statement in a witness's bucket."""
    return statement_folder(prefix, bucket, digest_key.removesuffix(_DIGEST_ENDING)) + _STATEMENT_ENDING


def statement_digest_key(key: str, prefix: str, bucket: str) -> str | None:
    """Return the digest that a key in a witness's bucket is about; None for a key of another form."""
    start = statement_folder(prefix, bucket, "") + "/"
    if not key.startswith(start) or not key.endswith(_STATEMENT_ENDING):
        return None
    return key[len(start) :].removesuffix(_STATEMENT_ENDING) + _DIGEST_ENDING
