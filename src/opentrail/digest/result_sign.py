"""The signed result file of a query, ``result_sign.json``: made, read, and its signature checked.

What is signed is the hex SHA-256 of every file (compressed, as delivered) in order, joined by one space
(reference: lake-and-insights, section 2).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

VERSION = "1.0"
HASH_ALGORITHM = "SHA-256"
SIGNATURE_ALGORITHM = "SHA256withRSA"
MAX_SIGN_FILE_BYTES = 4 << 20
"""40,000 files: more than any result has."""

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")


class ResultSignInvalid(ValueError):
    """The bytes are no sign file; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file of a result: its name beside the sign file, and the hex SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ResultSign:
    """What a sign file says. ``completed_at`` is ISO 8601 as it stands there."""

    region: str
    files: tuple[ResultFile, ...]
    completed_at: str
    signature: str
    fingerprint: str


def result_signing_text(files: Sequence[ResultFile]) -> bytes:
    """Return the bytes that the signature is over."""
    return " ".join(file.sha256 for file in files).encode()


def format_result_sign(sign: ResultSign) -> bytes:
    """Return the bytes of ``result_sign.json``: the same for the same content."""
    return orjson.dumps(
        {
            "version": VERSION,
            "region": sign.region,
            "files": [{"fileHashValue": file.sha256, "fileName": file.name} for file in sign.files],
            "hashAlgorithm": HASH_ALGORITHM,
            "signatureAlgorithm": SIGNATURE_ALGORITHM,
            "queryCompleteTime": sign.completed_at,
            "hashSignature": sign.signature,
            "publicKeyFingerprint": sign.fingerprint,
        }
    )


def parse_result_sign(data: bytes) -> ResultSign:
    """Read a sign file. Raises ResultSignInvalid."""
    try:
        values = orjson.loads(data)
        files = tuple(ResultFile(str(file["fileName"]), str(file["fileHashValue"])) for file in values["files"])
        sign = ResultSign(
            str(values["region"]),
            files,
            str(values["queryCompleteTime"]),
            str(values["hashSignature"]),
            str(values["publicKeyFingerprint"]),
        )
    except KeyError as error:
        raise ResultSignInvalid(f"it has no {error.args[0]}") from error
    except (ValueError, TypeError) as error:
        raise ResultSignInvalid("it is no JSON object of a sign file") from error
    algorithms = (values.get("hashAlgorithm"), values.get("signatureAlgorithm"))
    if algorithms != (HASH_ALGORITHM, SIGNATURE_ALGORITHM):
        raise ResultSignInvalid(f"its algorithms are not {HASH_ALGORITHM} and {SIGNATURE_ALGORITHM}")
    if not files:
        raise ResultSignInvalid("it lists no file")
    for file in files:
        if not _FILE_NAME.fullmatch(file.name) or not _HEX_SHA256.fullmatch(file.sha256):
            raise ResultSignInvalid("it lists what is no file with its hash")
    return sign
