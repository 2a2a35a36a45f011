"""What the tests ask s3fs to do; what came back goes to standard output as JSON."""

import hashlib
import json
import os
import sys
from typing import Any

import s3fs

MIB = 1024 * 1024


def main() -> dict[str, Any]:
    files = s3fs.S3FileSystem(default_block_size=5 * MIB)
    files.mkdir("fs-bucket")
    small, large = os.urandom(10_000), os.urandom(12 * MIB + 1)
    with files.open("fs-bucket/folder/small file", "wb") as target:
        target.write(small)
    with files.open("fs-bucket/large", "wb", block_size=5 * MIB) as target:
        for start in range(0, len(large), MIB):
            target.write(large[start : start + MIB])
    files.pipe("fs-bucket/folder/piped", b"piped")
    with files.open("fs-bucket/large", "rb") as source:
        back = source.read()
        source.seek(7 * MIB)
        middle = source.read(1000)
    files.copy("fs-bucket/folder/piped", "fs-bucket/folder/copied")
    told = {
        "sent": hashlib.sha256(large).hexdigest(),
        "back": hashlib.sha256(back).hexdigest(),
        "middle": middle == large[7 * MIB : 7 * MIB + 1000],
        "small": files.cat("fs-bucket/folder/small file") == small,
        "tail": files.cat_file("fs-bucket/folder/small file", start=-100) == small[-100:],
        "listed": sorted(files.find("fs-bucket")),
        "size": files.info("fs-bucket/large")["size"],
        "missing": files.exists("fs-bucket/nothing"),
    }
    files.rm("fs-bucket/folder", recursive=True)
    told["left"] = files.find("fs-bucket")
    return told


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
