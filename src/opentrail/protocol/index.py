"""The operation index in memory: which operations a signing name, target prefix, API version or URI can mean.

Read from ``operations.index`` (made by ``build_index``). Routes of a signing name become a tree over path segments when
the first request asks for that name.

    node.literals   segment -> node
    node.label      the node behind one segment of any text
    node.routes     routes that end here, by method, best first
    node.greedy     (literal segments that must follow, routes by method), longest tail first

Best first means: more literal query parameters, then more required members, then not deprecated, then index order.
Routes that are equal in the first two are told apart by ``nearest_route``.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import orjson

from opentrail.http_message import Headers
from opentrail.protocol import Operation
from opentrail.protocol.route_bodies import RouteBody, parse_route_body

INDEX_PATH = Path(__file__).with_name("operations.index")

QueryNames = Mapping[str, str]

_PREFERENCES = {"x": 0, "p": 0, "": 1, "d": 2}
"""Flags of a route -> where it stands among routes that demand as much."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation reached by method, path and query. ``host_prefix`` is the service's endpoint prefix; a lower
    ``preference`` wins among routes that demand as much. ``body`` is None where it tells no routes apart."""

    operation: Operation
    literal_query: tuple[tuple[str, str], ...]
    required_query: tuple[str, ...]
    required_headers: tuple[str, ...]
    preference: int
    host_prefix: str
    has_slash: bool
    body: RouteBody | None

    rank: tuple[int, int, int] = field(init=False)
    """Sort key: the most demanding route first, preferred ones first among equals."""

    def __post_init__(self) -> None:
        demands = len(self.required_query) + len(self.required_headers)
        object.__setattr__(self, "rank", (-len(self.literal_query), -demands, self.preference))

    def has_literals(self, query: QueryNames) -> bool:
        """Tell whether every literal query parameter of the route is there with its value (none means any)."""
        if not self.literal_query:
            return True
        return bool(query) and all(
            name in query and (not value or query[name] == value) for name, value in self.literal_query
        )

    def has_required(self, query: QueryNames, headers: Headers) -> bool:
        """Tell whether every required query and header member is there."""
        if not self.required_query and not self.required_headers:
            return True
        return all(name in query for name in self.required_query) and all(
            name in headers for name in self.required_headers
        )


class Routes(dict[str, list[Route]]):
    """The routes that end at one place, by method, best first."""

    def __init__(self) -> None:
        super().__init__()
        self._certain: dict[str, Route | None] = {}

    def certain(self, method: str) -> Route | None:
        """Return the one route that a request without a query string can mean, whatever its headers; None when its
        headers decide. Ask once all routes are planted."""
        try:
            return self._certain[method]
        except KeyError:
            bare = [route for route in self.get(method, ()) if not route.literal_query and not route.required_query]
            found = bare[0] if len(bare) == 1 and not bare[0].required_headers else None
            if method in self:
                self._certain[method] = found
            return found


@dataclass(slots=True)
class Node:
    """One place in the tree of routes; see the module."""

    literals: "dict[str, Node]" = field(default_factory=dict)
    label: "Node | None" = None
    routes: Routes = field(default_factory=Routes)
    greedy: list[tuple[tuple[str, ...], Routes]] = field(default_factory=list)

    def find(self, segments: tuple[str, ...], start: int = 0) -> Iterator[Routes]:
        """Yield the routes that the path can mean, literal segments before labels before greedy labels."""
        if start == len(segments):
            if self.routes:
                yield self.routes
            return
        literal = self.literals.get(segments[start])
        if literal is not None:
            yield from literal.find(segments, start + 1)
        if self.label is not None:
            yield from self.label.find(segments, start + 1)
        for tail, routes in self.greedy:
            if len(segments) - start > len(tail) and (not tail or segments[-len(tail) :] == tail):
                yield routes


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """What the index says of one service. ``operations`` are those it has by RPC (empty for REST services)."""

    name: str
    signing_names: tuple[str, ...]
    target_prefix: str
    query_version: str
    operations: frozenset[str]
    unsigned_operations: frozenset[str]


class OperationIndex:
    """Look-ups over all services. Immutable but for the route trees, which are built when first asked for."""

    def __init__(self, content: bytes) -> None:
        document = orjson.loads(zlib.decompress(content))
        self.botocore_version: str = document["botocore"]
        self.services: dict[str, ServiceEntry] = {}
        self._routes: dict[str, list[list[object]]] = {}
        self._prefixes: dict[str, str] = {}
        self.by_signing_name: dict[str, list[ServiceEntry]] = {}
        self.by_target: dict[str, list[ServiceEntry]] = {}
        self.by_version: dict[str, list[ServiceEntry]] = {}
        for name, raw in document["services"].items():
            self._add(name, raw)
        self._trees: dict[str, Node] = {}
        self._unsigned_tree: Node | None = None

    def routes(self, signing_name: str) -> Node:
        """Return the tree of the routes of all services that share ``signing_name``."""
        tree = self._trees.get(signing_name)
        if tree is None:
            tree = Node()
            for service in self.by_signing_name.get(signing_name, ()):
                for raw in self._routes.get(service.name, ()):
                    if "x" not in str(raw[6]) or signing_name == "s3express":
                        self._plant(tree, service.name, raw)
            _sort(tree)
            if signing_name in self.by_signing_name:
                self._trees[signing_name] = tree
        return tree

    def endpoint_prefix(self, service: str) -> str:
        """Return the first labels of the service's host names, such as ``monitoring`` for cloudwatch."""
        return self._prefixes[service]

    def unsigned_routes(self) -> Node:
        """Return the tree of the routes that may come unsigned, S3's excepted."""
        if self._unsigned_tree is None:
            tree = Node()
            for service, routes in self._routes.items():
                for raw in routes:
                    if "u" in str(raw[6]):
                        self._plant(tree, service, raw)
            _sort(tree)
            self._unsigned_tree = tree
        return self._unsigned_tree

    def _add(self, name: str, raw: dict[str, object]) -> None:
        signing_names = tuple(str(item) for item in raw["n"])  # type: ignore[attr-defined]
        service = ServiceEntry(
            name,
            signing_names,
            str(raw.get("t", "")),
            str(raw.get("v", "")),
            frozenset(str(raw.get("o", "")).split()),
            frozenset(str(raw.get("u", "")).split()),
        )
        self.services[name] = service
        self._prefixes[name] = str(raw["e"])
        if "r" in raw:
            self._routes[name] = raw["r"]  # type: ignore[assignment]
        for signing_name in signing_names:
            self.by_signing_name.setdefault(signing_name, []).append(service)
        if service.target_prefix:
            short_prefix = service.target_prefix.rpartition(".")[2]
            self.by_target.setdefault(short_prefix, []).append(service)
        if service.query_version:
            self.by_version.setdefault(service.query_version, []).append(service)

    def _plant(self, tree: Node, service: str, raw: list[object]) -> None:
        name, method, path, literal_query, required_query, required_headers, flags, *body = raw
        route = Route(
            Operation(service, str(name)),
            _parse_literals(str(literal_query)),
            tuple(required_query),  # type: ignore[arg-type]
            tuple(required_headers),  # type: ignore[arg-type]
            _PREFERENCES.get(str(flags).replace("u", ""), 1),
            self._prefixes[service],
            str(path).endswith("/"),
            parse_route_body(body[0]) if body else None,
        )
        node = tree
        segments = [segment for segment in str(path).split("/") if segment]
        for number, segment in enumerate(segments):
            if segment.endswith("+}"):
                _greedy_routes(node, tuple(segments[number + 1 :])).setdefault(str(method), []).append(route)
                return
            if segment.startswith("{"):
                node.label = node.label or Node()
                node = node.label
            else:
                node = node.literals.setdefault(segment, Node())
        node.routes.setdefault(str(method), []).append(route)


@cache
def operation_index() -> OperationIndex:
    """Return the index of this installation, read once (about 20 ms)."""
    return OperationIndex(INDEX_PATH.read_bytes())


def _parse_literals(query: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return tuple((unquote(name), unquote(value)) for name, _, value in pairs)


def _greedy_routes(node: Node, tail: tuple[str, ...]) -> Routes:
    for known, routes in node.greedy:
        if known == tail:
            return routes
    routes = Routes()
    node.greedy.append((tail, routes))
    node.greedy.sort(key=lambda item: -len(item[0]))
    return routes


def _sort(node: Node) -> None:
    for routes in (node.routes, *(routes for _, routes in node.greedy)):
        for ranked in routes.values():
            ranked.sort(key=lambda route: route.rank)
    for child in node.literals.values():
        _sort(child)
    if node.label is not None:
        _sort(node.label)
