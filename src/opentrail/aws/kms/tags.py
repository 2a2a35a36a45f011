"""Tags of keys: TagResource, UntagResource, ListResourceTags."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from opentrail.aws.kms.access import find_key, require_living
from opentrail.aws.kms.errors import TagException
from opentrail.aws.kms.paging import limit_of, marker_of, page
from opentrail.aws.service import ApiPorts, Call, Outcome

TAGS_PER_KEY = 50
"""KMS's quota."""

_PAGE = 50
_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*")

WireTag = Mapping[str, str]
"""One tag in wire form: TagKey and TagValue."""


def merged_tags(current: Mapping[str, str], tags: Sequence[WireTag]) -> dict[str, str]:
    """Return ``current`` with ``tags`` set over it, new ones last; raises TagException."""
    names = [tag["TagKey"] for tag in tags]
    if len(set(names)) != len(names):
        raise TagException.duplicate()
    if any(name.lower().startswith("aws:") for name in names):
        raise TagException.reserved()
    if not all(_ALLOWED.fullmatch(text) for tag in tags for text in (tag["TagKey"], tag["TagValue"])):
        raise TagException.characters()
    merged = dict(current) | {tag["TagKey"]: tag["TagValue"] for tag in tags}
    if len(merged) > TAGS_PER_KEY:
        raise TagException.too_many()
    return merged


def tag_conditions(tags: Sequence[WireTag]) -> dict[str, tuple[str, ...]]:
    """Return the condition keys of the tags that a request brings."""
    if not tags:
        return {}
    values = {f"aws:RequestTag/{tag['TagKey']}": (tag["TagValue"],) for tag in tags}
    return {**values, "aws:TagKeys": tuple(tag["TagKey"] for tag in tags)}


async def tag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Plan tags set over those that a key has."""
    tags = call.parameters["Tags"]
    key = await find_key(ports, call, call.parameters["KeyId"], conditions=tag_conditions(tags))
    require_living(key)
    changed = replace(key, tags=merged_tags(key.tags, tags))

    async def tag() -> None:
        await ports.keys.change(key, changed)

    return Outcome(after=tag)


async def untag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of tags; keys that the key does not have are ignored."""
    gone = call.parameters["TagKeys"]
    conditions = {"aws:TagKeys": tuple(gone)} if gone else {}
    key = await find_key(ports, call, call.parameters["KeyId"], conditions=conditions)
    require_living(key)
    changed = replace(key, tags={name: value for name, value in key.tags.items() if name not in gone})

    async def untag() -> None:
        await ports.keys.change(key, changed)

    return Outcome(after=untag)


async def list_resource_tags(ports: ApiPorts, call: Call) -> Outcome:
    """Show a key's tags by name."""
    key = await find_key(ports, call, call.parameters["KeyId"])
    after, limit = marker_of(call), limit_of(call, _PAGE)
    names = [name for name in sorted(key.tags) if name > after][: limit + 1]
    return Outcome(
        page("Tags", names, limit, lambda name: name, lambda name: {"TagKey": name, "TagValue": key.tags[name]})
    )
