"""Generates the index that ``identify`` reads: ``python -m opentrail.protocol.build_index``.

In: every service model of the installed botocore. Out: ``operations.index`` beside this module, zlib over JSON:

``{"botocore": version, "services": {name: {...}}}`` with, per service, ``n`` its signing names, ``e`` its endpoint
prefix, ``t`` its target prefix (RPC protocols), ``v`` its API version when it speaks query, ``o`` the operations it has
by RPC, ``u`` those that may come unsigned, ``r`` the operations it has by URI: ``[name, method, path, literal query,
required query members, required header members, flags, body]``. Empty values are left out. Flags: ``d`` deprecated,
``p`` preferred among services that share the route, ``u`` may come unsigned, ``x`` only under the signing name
``s3express``. ``body`` is there where another service under the same signing name has the same route and the JSON
bodies differ: the members of the body, each ``name:kind`` and, when required, ``!`` (kinds: ``route_bodies``).
"""

import re
import sys
import zlib
from collections import defaultdict
from typing import Any

import botocore
import orjson

from opentrail.protocol import models
from opentrail.protocol.index import INDEX_PATH

_RULE_SIGNING_NAME = re.compile(rb'"signingName"\s*:\s*"([a-z0-9-]+)"')

SPEAKS_OLD_QUERY = frozenset({"sqs"})
"""Services that moved from query to JSON while clients of the old form are still about."""

PREFERRED = frozenset({"chime-sdk-voice"})
"""Services whose models know more members, and mark more of them sensitive, than those that share their routes."""

_KINDS = {"structure": "m", "map": "m", "list": "l", "boolean": "b", "string": "s", "blob": "s"}
"""Model type -> kind of JSON value, as ``route_bodies`` has it; other types may be written in more than one way."""


def describe_service(service: str) -> dict[str, Any]:
    """Return the index entry of one service, every route with its body."""
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
        is_json = "rest-json" in protocols
        entry["r"] = [
            _describe_route(service, name, operation, description["shapes"], is_json=is_json)
            for name, operation in operations.items()
        ]
    else:
        entry["o"] = " ".join(operations)
        entry["u"] = " ".join(name for name, item in operations.items() if item.get("authtype") == "none")
    return {key: value for key, value in entry.items() if value}


def _describe_route(
    service: str, name: str, operation: dict[str, Any], shapes: dict[str, Any], *, is_json: bool
) -> list[Any]:
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
    flags += "p" if service in PREFERRED else ""
    headers = [header.lower() for header in required["header"]]
    body = _describe_body(shape, shapes) if is_json else None
    return [name, operation["http"]["method"], path, query, required["querystring"], headers, flags, body]


def _describe_body(shape: dict[str, Any], shapes: dict[str, Any]) -> str | None:
    """The members of a JSON body; None for a payload that is no JSON object."""
    if "payload" in shape:
        shape = shapes[shape["members"][shape["payload"]]["shape"]]
        if shape["type"] != "structure":
            return None
    words = []
    for name, member in shape.get("members", {}).items():
        if "location" not in member:
            required = "!" if name in shape.get("required", ()) else ""
            kind = _KINDS.get(shapes[member["shape"]]["type"], "a")
            words.append(f"{member.get('locationName', name)}:{kind}{required}")
    return " ".join(sorted(words))


def keep_telling_bodies(services: dict[str, dict[str, Any]]) -> None:
    """Drop the bodies of routes that no other service has under the same signing name, or has with the same body."""
    sharing: dict[tuple[str, ...], list[list[Any]]] = defaultdict(list)
    for entry in services.values():
        for route in entry.get("r", ()):
            path = ["{}" if part.startswith("{") else part for part in route[2].split("/") if part]
            for signing_name in entry["n"]:
                sharing[(signing_name, route[1], *path)].append(route)
    telling = {id(route) for routes in sharing.values() for route in routes if len({other[7] for other in routes}) > 1}
    for entry in services.values():
        for route in entry.get("r", ()):
            if id(route) not in telling or route[7] is None:
                del route[7]


def build() -> bytes:
    """Return the whole index as it is stored."""
    services = {service: describe_service(service) for service in models.service_names()}
    keep_telling_bodies(services)
    document = {"botocore": botocore.__version__, "services": services}
    return zlib.compress(orjson.dumps(document), 9)


def main() -> None:
    """Write the index and say how large it is."""
    content = build()
    INDEX_PATH.write_bytes(content)
    sys.stdout.write(f"{INDEX_PATH.name}: {len(content)} bytes, botocore {botocore.__version__}\n")


if __name__ == "__main__":
    main()
