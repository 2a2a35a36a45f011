"""Which operation a request calls, from its credential scope, headers, URI and, for query services, its form body.

The order is: the scope's signing name narrows the services; then an rpc-v2 path, ``X-Amz-Target``, ``Action``; else
the URI among all services that share the signing name. Nothing that a service would ignore (``x-id``, User-Agent) is
believed, so that a caller cannot have one operation recorded as another.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope, Operation
from opentrail.protocol.actions import is_form, named_actions
from opentrail.protocol.index import Node, OperationIndex, Route, ServiceEntry, operation_index
from opentrail.protocol.paths import S3_SIGNING_NAMES, object_path, object_segments, service_segments
from opentrail.protocol.route_bodies import json_members

QUERY_LIMIT_PAIRS = 1000
"""Query parameters past this one are not looked at when an operation is identified."""
PATH_LIMIT_SEGMENTS = 64
"""No service has a route this long; a longer path is matched up to here by greedy labels only."""

_RPC_PATH = re.compile(r"/service/([A-Za-z0-9_.]+)/operation/([A-Za-z0-9_]+)/?")


def identify(request: HttpRequest, scope: CredentialScope | None) -> Operation | None:
    """Return the operation that ``request`` calls, or None when no service has such a one.

    Services that share a signing name and a route are told apart by the Host header and by what a JSON body holds.
    Where neither tells, the one that CloudTrail names in its events is returned (rds for neptune and docdb);
    docs/ambiguities.md lists every such operation. Never raises.
    """
    index = operation_index()
    services = _candidates(index, scope)
    headers = request.headers.first
    if "smithy-protocol" in headers:
        match = _RPC_PATH.fullmatch(request.path)
        if match is not None:
            prefix = match.group(1).rpartition(".")[2]
            return _by_target(index, services, prefix, match.group(2), request.host)
    target = headers.get("x-amz-target")
    if target:
        prefix, _, name = target.rpartition(".")
        found = _by_target(index, services, prefix.rpartition(".")[2], name, request.host)
        if found is not None:
            return found
    found = _by_action(index, services, request)
    if found is not None:
        return found
    return _by_route(index, services, scope, request)


def is_query_call(request: HttpRequest, scope: CredentialScope | None) -> bool:
    """Say whether a form's ``Action`` may name the operation of ``request``."""
    services = _candidates(operation_index(), scope)
    if services is None:
        return request.path in ("/", "")
    return any(service.query_version for service in services)


def _candidates(index: OperationIndex, scope: CredentialScope | None) -> list[ServiceEntry] | None:
    """The services of the scope's signing name; None when the scope narrows nothing."""
    if scope is None or not scope.signing_name:
        return None
    return index.by_signing_name.get(scope.signing_name)


def _by_target(
    index: OperationIndex, services: list[ServiceEntry] | None, prefix: str, name: str, host: str
) -> Operation | None:
    found = [
        service
        for service in index.by_target.get(prefix, ())
        if name in service.operations and (services is None or service in services)
    ]
    return Operation(_nearest(index, found, host).name, name) if found else None


def _by_action(index: OperationIndex, services: list[ServiceEntry] | None, request: HttpRequest) -> Operation | None:
    if services is None:
        # Unsigned: only the host's root is a query endpoint, so that no object read passes for a query call.
        if request.path not in ("/", ""):
            return None
        if request.body and not is_form(request):
            return None
    elif not any(service.query_version for service in services):
        return None
    named = named_actions(request)
    action, version = named.first, named.version
    if not action:
        return None
    found = [
        service
        for service in (services if services is not None else index.by_version.get(version, ()))
        if service.query_version and action in service.operations
    ]
    if version:
        found = [service for service in found if service.query_version == version] or found
    return Operation(_nearest(index, found, request.host).name, action) if found else None


def _nearest(index: OperationIndex, services: list[ServiceEntry], host: str) -> ServiceEntry:
    """The one service of several that the Host header names, else the one with the most common name for events."""
    if len(services) == 1:
        return services[0]
    services = [item for item in services if host.startswith(index.endpoint_prefix(item.name) + ".")] or services
    for service in services:
        if service.name == service.signing_names[0]:
            return service
    return services[0]


def _by_route(
    index: OperationIndex, services: list[ServiceEntry] | None, scope: CredentialScope | None, request: HttpRequest
) -> Operation | None:
    if services is None:
        if scope is not None and scope.signing_name:
            return None
        found = _best(index.unsigned_routes(), service_segments(request.path)[:PATH_LIMIT_SEGMENTS], request)
        signing_name = "s3"
    else:
        assert scope is not None
        found = None
        signing_name = scope.signing_name
    if found is None and signing_name not in S3_SIGNING_NAMES:
        found = _best(index.routes(signing_name), service_segments(request.path)[:PATH_LIMIT_SEGMENTS], request)
    elif found is None:
        found = _by_bucket(index, signing_name, request)
    return found.operation if found is not None else None


_S3_CONTROL_HOSTS = ("s3-control.", "s3-outposts.")


def _by_bucket(index: OperationIndex, signing_name: str, request: HttpRequest) -> Route | None:
    # S3 Control shares S3's signing name. It is told by its headers or its host, which holds the account, no bucket.
    headers = request.headers.first
    if "x-amz-account-id" in headers or "x-amz-outpost-id" in headers or request.host.startswith(_S3_CONTROL_HOSTS):
        found = _best(index.routes(signing_name), service_segments(request.path)[:PATH_LIMIT_SEGMENTS], request)
        if found is not None and found.operation.service != "s3":
            return found
    path = object_path(request)
    bucket = path[1:].partition("/")[0]
    if len(path) > 1 and (not bucket or ("%2f" in bucket.lower() and not bucket.startswith("arn"))):
        # Servers that merge slashes or decode first read a bucket here that is not the one that stands here.
        return None
    return _best(index.routes(signing_name), object_segments(path), request)


def _best(tree: Node, segments: tuple[str, ...], request: HttpRequest) -> Route | None:
    """The first route that has all it demands; failing that, the first one whose literals are there."""
    query = _query_names(request.raw_query) if request.raw_query else {}
    fallback: Route | None = None
    for routes in tree.find(segments):
        if not query and (certain := routes.certain(request.method)) is not None:
            return certain
        found: list[Route] = []
        for route in routes.get(request.method, ()):
            if found and route.rank[:2] != found[0].rank[:2]:
                break
            if not route.has_literals(query):
                continue
            if route.has_required(query, request.headers):
                found.append(route)
            elif fallback is None:
                fallback = route
        if found:
            return _nearest_route(found, request)
    return fallback


def _nearest_route(routes: list[Route], request: HttpRequest) -> Route:
    """Of equal routes, best first, the one that the Host header names, then the one that the body fits best, then the
    one that agrees about a closing slash, then the first."""
    if len(routes) == 1:
        return routes[0]
    has_slash, host = request.path.endswith("/"), request.host
    members = json_members(request) if any(route.body is not None for route in routes) else None

    def distance(route: Route) -> tuple[bool, int, bool]:
        misfit = route.body.misfit(members) if route.body is not None and members is not None else 0
        return not host.startswith(route.host_prefix + "."), misfit, route.has_slash != has_slash

    return min(routes, key=distance)


def _query_names(raw_query: str) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for pair in raw_query.split("&", QUERY_LIMIT_PAIRS)[:QUERY_LIMIT_PAIRS]:
        name, _, value = pair.partition("=")
        if "%" in name or "+" in name:
            name = unquote_plus(name)
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        names.setdefault(name, value)
    return names
