"""S3's naming rules for buckets, as CloudTrail and local archives hold them."""

import re

_ALLOWED = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def is_bucket_name(name: str) -> bool:
    """Say whether S3 would accept ``name`` for a general purpose bucket: 3 to 63 lower-case letters, digits, dots and
    hyphens, starting and ending with a letter or digit, no two dots together, no IPv4 address, no reserved affix."""
    return (
        _ALLOWED.fullmatch(name) is not None
        and ".." not in name
        and _IPV4.fullmatch(name) is None
        and not name.startswith(_RESERVED_STARTS)
        and not name.endswith(_RESERVED_ENDS)
    )
