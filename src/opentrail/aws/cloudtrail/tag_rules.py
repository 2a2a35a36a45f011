"""What may be a tag, and what a resource's tags are after a change.

A tag is a key with a value; CloudTrail also takes a key without one, which is kept as "" and shown without Value.
"""

import re
from collections.abc import Mapping, Sequence

from opentrail.aws.cloudtrail.errors import InvalidTagParameterException, TagsLimitExceededException

TAGS_PER_RESOURCE = 50
"""CloudTrail's quota."""

WireTag = Mapping[str, str]
"""One tag in wire form: Key, and Value unless it has none."""

_ALLOWED = re.compile(r"[\w\s.:/=+\-@]*")


def check_tags(tags: Sequence[WireTag]) -> None:
    """Raise InvalidTagParameterException unless ``tags`` may be named together; their number is not looked at."""
    seen: set[str] = set()
    for tag in tags:
        key, value = tag["Key"], tag.get("Value", "")
        if key in seen:
            raise InvalidTagParameterException.duplicate_key(key)
        seen.add(key)
        if key.lower().startswith("aws:"):
            raise InvalidTagParameterException.reserved_prefix(key)
        for text in (key, value):
            if not _ALLOWED.fullmatch(text):
                raise InvalidTagParameterException.bad_characters(text)


def merged_tags(current: Mapping[str, str], tags: Sequence[WireTag]) -> dict[str, str]:
    """Return ``current`` with ``tags`` set over it, new keys last; raises TagsLimitExceeded."""
    merged = dict(current) | {tag["Key"]: tag.get("Value", "") for tag in tags}
    if len(merged) > TAGS_PER_RESOURCE:
        raise TagsLimitExceededException(TAGS_PER_RESOURCE)
    return merged


def tags_of_new_store(tags: Sequence[WireTag]) -> dict[str, str]:
    """Return the tags that a new event data store gets; raises InvalidTagParameter, for too many of them too."""
    check_tags(tags)
    if len(tags) > TAGS_PER_RESOURCE:
        raise InvalidTagParameterException.too_many(TAGS_PER_RESOURCE)
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


def without_tags(current: Mapping[str, str], tags: Sequence[WireTag]) -> dict[str, str]:
    """Return ``current`` without the keys of ``tags``; values do not matter, unknown keys neither."""
    gone = {tag["Key"] for tag in tags}
    return {key: value for key, value in current.items() if key not in gone}


def wire_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in wire form."""
    return [{"Key": key, "Value": value} if value else {"Key": key} for key, value in tags.items()]
