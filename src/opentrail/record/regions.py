"""``awsRegion``: the signing scope's, if it is a Region at all; global services have one of their own."""

from collections.abc import Collection
from functools import cache

import orjson

from opentrail.protocol.models import DATA_PATH
from opentrail.record.names import global_region

MAX_REGION_CHARACTERS = 64


def aws_region(
    service: str, signing_region: str, *, default_region: str, enabled: Collection[str]
) -> tuple[str, str | None]:
    """Return the Region of a call and, when the scope named one that nobody knows, that name.

    Known are the Regions of every AWS partition and ``enabled``. No scope gives the default Region.
    """
    is_known = signing_region in known_regions() or signing_region in enabled
    unknown = signing_region[:MAX_REGION_CHARACTERS] if signing_region and not is_known else None
    region = signing_region if is_known else default_region
    return global_region(service, region) or region, unknown


@cache
def known_regions() -> frozenset[str]:
    """Return every Region that botocore knows, in all partitions."""
    partitions = orjson.loads((DATA_PATH / "partitions.json").read_bytes())["partitions"]
    endpoints = orjson.loads((DATA_PATH / "endpoints.json").read_bytes())["partitions"]
    names = {name for partition in (*partitions, *endpoints) for name in partition["regions"]}
    return frozenset(name for name in names if not name.endswith("-global"))


def region_name(region: str) -> str:
    """Return a Region's long name, such as ``US East (N. Virginia)``; one that nobody knows is its own."""
    return _region_names().get(region, region)


@cache
def _region_names() -> dict[str, str]:
    partitions = orjson.loads((DATA_PATH / "partitions.json").read_bytes())["partitions"]
    return {name: each["description"] for part in partitions for name, each in part["regions"].items()}
