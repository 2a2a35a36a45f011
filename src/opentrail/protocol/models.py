"""botocore's service models, read lazily, kept for the life of the process, and bounded in memory.

Two things differ from botocore's own loading. Documentation is dropped and files are read with orjson, so that a model
costs a fraction of the time and memory; shapes are kept as JSON until one is asked for, because few of a service's are,
and as objects those of EC2 alone take 7 MB. Shapes are interned: botocore makes a new shape object for every path by
which a recursive shape is reached (DynamoDB's AttributeValue), so that requests could grow the process at will; here a
shape with the same traits is one object, and shape trees become graphs.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import botocore
import msgspec
import orjson
from botocore.loaders import ExtrasProcessor
from botocore.model import OperationModel, OperationNotFoundError, ServiceModel, Shape, ShapeResolver

from opentrail.protocol import Operation

DATA_PATH = Path(botocore.__file__).parent / "data"


class UnknownService(LookupError):
    """botocore has no service of this name."""


class UnknownOperation(LookupError):
    """The service has no operation of this name."""


class _PackedShapes(Mapping[str, dict[str, Any]]):
    """The shapes of a description by name, each read once it is asked for. Safe for threads."""

    def __init__(self, packed: dict[str, bytes]) -> None:
        self._packed = packed
        self._read: dict[str, dict[str, Any]] = {}

    def __getitem__(self, name: str) -> dict[str, Any]:
        shape = self._read.get(name)
        if shape is None:
            shape = self._read.setdefault(name, orjson.loads(self._packed[name]))
        return shape

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


class _InterningResolver(ShapeResolver):  # type: ignore[misc]
    """Resolves equal references to one shape object."""

    def __init__(self, shape_map: Mapping[str, Any]) -> None:
        super().__init__(shape_map)
        self._interned: dict[bytes, Shape] = {}

    def resolve_shape_ref(self, shape_ref: dict[str, Any]) -> Shape:
        key = orjson.dumps(shape_ref)
        shape = self._interned.get(key)
        if shape is None:
            shape = super().resolve_shape_ref(shape_ref)
            self._interned[key] = shape
        return shape


class InterningServiceModel(ServiceModel):  # type: ignore[misc]
    """A service model whose equal shapes are one object."""

    def __init__(self, description: dict[str, Any], service_name: str) -> None:
        super().__init__(description, service_name)
        self._shape_resolver = _InterningResolver(description.get("shapes", {}))


def service_names() -> list[str]:
    """Return every service that botocore has a model of, sorted."""
    return sorted(path.name for path in DATA_PATH.iterdir() if path.is_dir() and any(path.glob("*/service-2.json*")))


def read_description(service: str) -> dict[str, Any]:
    """Read the newest service description of ``service`` with its SDK extras, without documentation.

    Raises UnknownService.
    """
    folder = _model_folder(service)
    description = _read_json(folder / "service-2.json")
    extras = folder / "service-2.sdk-extras.json"
    if extras.exists():
        ExtrasProcessor().process(description, [orjson.loads(extras.read_bytes())])
    for operation in description["operations"].values():
        operation.pop("documentation", None)
    for shape in description.get("shapes", {}).values():
        _drop_documentation(shape)
    return description


def _drop_documentation(shape: dict[str, Any]) -> dict[str, Any]:
    shape.pop("documentation", None)
    for member in shape.get("members", {}).values():
        member.pop("documentation", None)
    return shape


def _read_packed(service: str) -> dict[str, Any]:
    """Read a description as ``read_description`` does, its shapes packed: no more than one is ever an object here, so
    that the memory of all of them is never asked for."""
    folder = _model_folder(service)
    if (folder / "service-2.sdk-extras.json").exists():
        description = read_description(service)
        packed = {name: _dumped(shape) for name, shape in description.get("shapes", {}).items()}
    else:
        parts = msgspec.json.decode(_read_bytes(folder / "service-2.json"), type=dict[str, msgspec.Raw])
        shapes = msgspec.json.decode(parts.pop("shapes", b"{}"), type=dict[str, msgspec.Raw])
        packed = {name: _dumped(_drop_documentation(_loaded(shape))) for name, shape in shapes.items()}
        description = {name: _loaded(part) for name, part in parts.items()}
        for operation in description["operations"].values():
            operation.pop("documentation", None)
    description["shapes"] = _PackedShapes(packed)
    return description


def _dumped(shape: dict[str, Any]) -> bytes:
    # Copied, because what orjson returns was cut from a kilobyte, whose rest nothing else would fit into.
    return bytes(memoryview(orjson.dumps(shape)))


def _loaded(raw: msgspec.Raw) -> Any:
    return orjson.loads(memoryview(raw))


def read_endpoint_rules(service: str) -> bytes:
    """Return the raw JSON of the service's endpoint rules, empty when it has none. Raises UnknownService."""
    folder = _model_folder(service)
    packed, plain = folder / "endpoint-rule-set-1.json.gz", folder / "endpoint-rule-set-1.json"
    if packed.exists():
        return zlib.decompress(packed.read_bytes(), wbits=31)
    return plain.read_bytes() if plain.exists() else b""


def service_model(service: str) -> ServiceModel:
    """Return the model of ``service`` (botocore's name for it). Raises UnknownService."""
    return _service_model(service)


def operation_model(operation: Operation) -> OperationModel:
    """Return the model of ``operation``. Raises UnknownService or UnknownOperation."""
    return _operation_model(operation)


def protocol_name(service: str) -> str:
    """Return the wire protocol botocore's clients speak to ``service``: ``json``, ``query``, ``rest-xml`` ..."""
    return cast(str, _service_model(service).metadata["protocol"])


def signing_name(service: str) -> str:
    """Return the service name in a signature's scope. Raises UnknownService."""
    metadata = _service_model(service).metadata
    return cast(str, metadata.get("signingName") or metadata["endpointPrefix"])


def event_source(service: str) -> str:
    """Return the ``eventSource`` of the service's events, such as ``monitoring.amazonaws.com``.

    It is the signing name unless EVENT_SOURCES says otherwise. Raises UnknownService.
    """
    return f"{EVENT_SOURCES.get(service) or signing_name(service)}.amazonaws.com"


def preload(services: Iterable[str]) -> None:
    """Read the models of ``services`` now (23-103 ms each), so that no request waits for them. Blocks; use a thread."""
    for service in services:
        _service_model(service)


EVENT_SOURCES = {
    "application-autoscaling": "autoscaling",
    "cloudsearchdomain": "cloudsearch",
    "iot-data": "iotdata",
    "iot-jobs-data": "iotjobsdata",
    "marketplace-catalog": "marketplacecatalog",
    "meteringmarketplace": "metering-marketplace",
    "sso-oidc": "sso",
}
"""Services whose events do not carry their signing name as source (reference: events, section 7)."""


def _model_folder(service: str) -> Path:
    folder = DATA_PATH / service
    if not service or "/" in service or service.startswith(".") or not folder.is_dir():
        raise UnknownService(service)
    versions = sorted({path.parent for path in folder.glob("*/service-2.json*")})
    if not versions:
        raise UnknownService(service)
    return versions[-1]


def _read_json(path: Path) -> dict[str, Any]:
    return cast(dict[str, Any], orjson.loads(_read_bytes(path)))


def _read_bytes(path: Path) -> bytes:
    packed = path.with_name(path.name + ".gz")
    return zlib.decompress(packed.read_bytes(), wbits=31) if packed.exists() else path.read_bytes()


@cache
def _service_model(service: str) -> ServiceModel:
    return InterningServiceModel(_read_packed(service), service)


@cache
def _operation_model(operation: Operation) -> OperationModel:
    try:
        return _service_model(operation.service).operation_model(operation.name)
    except OperationNotFoundError as error:
        raise UnknownOperation(f"{operation.service}:{operation.name}") from error
