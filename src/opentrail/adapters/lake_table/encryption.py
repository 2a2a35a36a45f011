"""Files of event data stores that have a KMS key, encrypted (docs/formats/lake.md, "Stores with a KMS key").

Parquet files: Parquet modular encryption, AES-GCM, footer and columns under one key, which no other file has. What a
commit sets aside: AES-256-GCM of the whole file. A file's key follows from the store's data key and the file's path,
so that a file under another one's name does not open.
"""

import hmac
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pyarrow.parquet.encryption as parquet_encryption
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opentrail.ports.lake_table import LakeFile, TableDamaged

MARK = ".encrypted"
"""Before the ending of a file's name: what says that it is encrypted."""

_MAGIC = b"PARE"
"""What a Parquet file with an encrypted footer begins and ends with."""

_PURPOSE = b"opentrail lake file 1\n"
_NONCE_BYTES = 12


def marked(name: str, data_key: bytes) -> str:
    """Return the name that a file is given, without its ending: marked when there is a key to encrypt it with."""
    return f"{name}{MARK}" if data_key else name


def is_encrypted(path: str | Path) -> bool:
    """Say by its name whether a file is encrypted."""
    return os.fspath(path).endswith((f"{MARK}.parquet", f"{MARK}.ndjson"))


def file_key(data_key: bytes, path: str) -> bytes:
    """Return the key of the file at ``path``, as the store's folder has it below its parts: ``DAY/NAME``."""
    return hmac.digest(data_key, _PURPOSE + path.encode(), "sha256")


def file_key_of(data_key: bytes, path: str | Path) -> bytes:
    """Return the key of a file, none for one that is not encrypted. Raises TableDamaged without a data key."""
    if not is_encrypted(path):
        return b""
    if not data_key:
        raise TableDamaged(f"{Path(path).name} is encrypted, and the event data store has no key")
    return file_key(data_key, "/".join(Path(path).parts[-2:]))


def opened_files(files: Iterable[LakeFile], data_key: bytes) -> list[LakeFile]:
    """Return files with the keys that open them. Raises TableDamaged for encrypted ones without a data key."""
    return [
        replace(file, key=file_key_of(data_key, file.location)) if is_encrypted(file.location) else file
        for file in files
    ]


def writing_options(path: Path, data_key: bytes) -> dict[str, Any]:
    """Return what encrypts a Parquet file that is to be at ``path``; nothing for one whose name is not marked."""
    key = file_key_of(data_key, path)
    return {"encryption_properties": parquet_encryption.create_encryption_properties(footer_key=key)} if key else {}


def parquet_file(path: str | Path, key: bytes) -> pq.ParquetFile:
    """Open a Parquet file with its own ``key``, none for a plain one. Raises OSError and Arrow's errors."""
    if not key:
        return pq.ParquetFile(path)
    return pq.ParquetFile(path, decryption_properties=parquet_encryption.create_decryption_properties(footer_key=key))


def looks_whole(path: Path) -> bool:
    """Say whether an encrypted Parquet file has its beginning and its end; what lies between takes its key."""
    with path.open("rb") as file:
        beginning = file.read(len(_MAGIC))
        file.seek(-len(_MAGIC), os.SEEK_END)
        return beginning == file.read(len(_MAGIC)) == _MAGIC


def seal_lines(content: bytes, key: bytes) -> bytes:
    """Return what a file of lines is on the disk, encrypted."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, None)


def open_lines(sealed: bytes, key: bytes) -> bytes:
    """Return the lines of such a file. Raises TableDamaged for one that was altered or moved."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except (InvalidTag, ValueError) as error:
        raise TableDamaged("what was set aside does not open with the event data store's key") from error
