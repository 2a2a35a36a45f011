"""What commits set aside, in a store that was given a KMS key later: encrypted, and the plain files removed."""

from pathlib import Path

import orjson

from opentrail.adapters.lake_table.encryption import is_encrypted, marked
from opentrail.adapters.lake_table.files import write_set_aside
from opentrail.adapters.lake_table.mirror import Backing


def plain_files(folder: Path) -> list[Path]:
    """Return the files of a set-aside folder that are not encrypted."""
    return sorted(path for path in folder.glob("*.ndjson") if not is_encrypted(path))


def encrypt_files(folder: Path, data_key: bytes, backing: Backing) -> None:
    """Encrypt them, one after the other; whoever is interrupted goes on the next time. Raises Unavailable."""
    for path in plain_files(folder):
        sealed = path.with_name(f"{marked(path.stem, data_key)}.ndjson")
        write_set_aside(sealed, [orjson.loads(line) for line in path.read_bytes().splitlines()], data_key)
        backing.put([sealed])
        backing.remove([path])
        path.unlink()
