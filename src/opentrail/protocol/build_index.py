"""Generates the index that ``identify`` reads: ``python -m opentrail.protocol.build_index``.

In: every service model of the installed botocore. Out: ``operations.index`` beside this module, zlib over JSON:

``{"botocore": version, "services": {name: {...}}}`` with, per service, ``n`` its signing names, ``e`` its endpoint
prefix, ``t`` its target prefix (RPC protocols), ``v`` its API version when it speaks query, ``o`` the operations it has
by RPC, ``u`` those that may come unsigned, ``r`` the operations it has by URI: ``[name, method, path, literal query,
required query members, required header members, flags]``. Empty values are left out. Flags: ``d`` deprecated,
``u`` may come unsigned, ``x`` only under the signing name ``s3express``.
"""

import re
import sys
import zlib
from typing import Any

import botocore
import orjson

from opentrail.protocol import models
from opentrail.protocol.index import INDEX_PATH

_RULE_SIGNING_NAME = re.compile(rb'"signingName"\s*:\s*"([a-z0-9-]+)"')

SPEAKS_OLD_QUERY = frozenset({"sqs"})
"""Services that moved from query to JSON while clients of the old form are still about."""


def describe_service(service: str) -> dict[str, Any]:
    """Return the index entry of one service."""
    description = models.read_description(service)
    metadata = description["metadata"]
    own_name = metadata.get("signingName") or metadata["endpointPrefix"]
    ruled = {name.decode() for name in _RULE_SIGNING_NAME.findall(models.read_endpoint_rules(service))}
    protocols = set(metadata.get("protocols") or []) | {metadata["protocol"]}
    operations = description["operations"]
    entry: dict[str, Any] = {"n": [own_name, *sorted(ruled - {own_name})], "e": metadata["endpointPrefix"]}
    if protocols & {"query", "ec2"} or service in SPEAKS_OLD_QUERY:
        entry["v"] = metadata["apiVersion"]
    if protocols & {"json", "smithy-rpc-v2-cbor"}:
        entry["t"] = metadata["targetPrefix"]
    if protocols & {"rest-json", "rest-xml"}:
        entry["r"] = [_describe_route(name, operation, description["shapes"]) for name, operation in operations.items()]
    else:
        entry["o"] = " ".join(operations)
        entry["u"] = " ".join(name for name, item in operations.items() if item.get("authtype") == "none")
    return {key: value for key, value in entry.items() if value}


def _describe_route(name: str, operation: dict[str, Any], shapes: dict[str, Any]) -> list[Any]:
    path, _, query = operation["http"]["requestUri"].partition("?")
    shape = shapes[operation["input"]["shape"]] if "input" in operation else {}
    required: dict[str, list[str]] = {"querystring": [], "header": []}
    for member_name in shape.get("required", ()):
        member = shape["members"][member_name]
        if member.get("location") in required:
            required[member["location"]].append(member.get("locationName", member_name))
    flags = "d" if operation.get("deprecated") else ""
    flags += "u" if operation.get("authtype") == "none" else ""
    flags += "x" if name == "ListDirectoryBuckets" else ""
    headers = [header.lower() for header in required["header"]]
    return [name, operation["http"]["method"], path, query, required["querystring"], headers, flags]


def build() -> bytes:
    """Return the whole index as it is stored."""
    services = {service: describe_service(service) for service in models.service_names()}
    document = {"botocore": botocore.__version__, "services": services}
    return zlib.compress(orjson.dumps(document), 9)


def main() -> None:
    """Write the index and say how large it is."""
    content = build()
    INDEX_PATH.write_bytes(content)
    sys.stdout.write(f"{INDEX_PATH.name}: {len(content)} bytes, botocore {botocore.__version__}\n")


if __name__ == "__main__":
    main()
