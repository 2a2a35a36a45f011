"""Completeness: handlers are operations of the model, and raise no error but those the model declares for them."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from opentrail.aws import cloudtrail, cloudwatch, common_errors, events, kms, logs, organizations, s3, sns, sts
from opentrail.aws.common_errors import CommonError, Family
from opentrail.aws.coverage import coverage_page
from opentrail.aws.service import Service
from opentrail.aws.services import SERVICES
from opentrail.errors import AwsError
from opentrail.protocol import Operation
from opentrail.protocol.models import operation_model, service_model

ROOT = Path(__file__).parents[3]

OF_S3 = {
    *("NoSuchBucket", "NoSuchKey", "NoSuchVersion", "NoSuchObjectLockConfiguration", "MalformedXML"),
    *("InvalidArgument", "InvalidRange", "NotModified", "PreconditionFailed"),
}
"""S3's model declares next to none of the errors that S3 documents."""


_Place = tuple[str, str]
"""A function's module and name."""


@dataclass
class _Function:
    """What a function of a package raises, and where the functions are that it mentions."""

    mentions: set[_Place] = field(default_factory=set)
    raises: set[str] = field(default_factory=set)


def handler_names() -> list[tuple[str, str]]:
    return [(service.name, name) for service in SERVICES.values() for name in service.handlers]


def test_services_are_named_as_botocore_names_them() -> None:
    assert {name: service.name for name, service in SERVICES.items()} == {name: name for name in SERVICES}


@pytest.mark.parametrize(("service", "operation"), handler_names())
def test_handler_is_an_operation_of_the_model_in_snake_case(service: str, operation: str) -> None:
    assert operation in service_model(service).operation_names
    name = SERVICES[service].handlers[operation].run.__name__
    assert name.replace("_", "") == operation.lower()


@pytest.mark.parametrize("package", [cloudtrail, cloudwatch, events, kms, logs, organizations, sns, sts, s3])
def test_errors_raised_are_declared_for_the_operation(package: ModuleType) -> None:
    service: Service = package.SERVICE
    functions = _functions(package)
    for name, handler in service.handlers.items():
        model = operation_model(Operation(service.name, name))
        declared = {shape.name for shape in model.error_shapes}
        if service.name == "s3":
            declared |= OF_S3
        entries = [entry for entry in (handler.run, handler.prepare, handler.check) if entry is not None]

        raised = _raised_by(functions, [_place(entry) for entry in entries])

        assert raised - declared == set(), name


def test_the_analysis_of_raised_errors_sees_through_calls() -> None:
    raised = _raised_by(_functions(cloudtrail), [_place(cloudtrail.SERVICE.handlers["CreateTrail"].run)])

    assert {"MaximumNumberOfTrailsExceededException", "InvalidTrailNameException"} <= raised


@pytest.mark.parametrize("package", [cloudtrail, events, kms, logs, organizations, sns, sts])
def test_every_error_class_is_a_shape_of_the_model(package: ModuleType) -> None:
    errors = importlib.import_module(f"{package.__name__}.errors")
    classes = [item for item in vars(errors).values() if _is_error_class(item) and item.__module__ == errors.__name__]
    model = service_model(package.SERVICE.name)

    assert classes
    for error in classes:
        assert error.__name__ in model.shape_names
        modelled = model.shape_for(error.__name__).metadata.get("error", {}).get("code", error.__name__)
        assert error.code == modelled


def test_every_common_error_is_spelt_in_every_family() -> None:
    classes = [
        item
        for item in vars(common_errors).values()
        if _is_error_class(item) and issubclass(item, CommonError) and hasattr(item, "spellings") and item.spellings
    ]

    assert len(classes) > 10
    for error in classes:
        assert set(error.spellings) == set(Family)


def test_coverage_page_is_current() -> None:
    assert (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8") == coverage_page()


def _is_error_class(item: object) -> bool:
    return inspect.isclass(item) and issubclass(item, AwsError)


def _place(function: Callable[..., object]) -> _Place:
    return function.__module__, function.__name__


def _raised_by(functions: dict[_Place, _Function], entries: list[_Place]) -> set[str]:
    """Return the service's own errors that ``entries`` or what they reach in the package can raise."""
    seen: set[_Place] = set()
    waiting = list(entries)
    raised: set[str] = set()
    while waiting:
        place = waiting.pop()
        if place in seen or place not in functions:
            continue
        seen.add(place)
        raised |= functions[place].raises
        waiting += functions[place].mentions
    common = {name for name in vars(common_errors) if name != "UnsupportedOperationException"}
    made_by_functions = ("denial", "hidden", "refusal")
    return {name for name in raised if name not in common and name not in made_by_functions}


def _functions(package: ModuleType) -> dict[_Place, _Function]:
    found: dict[_Place, _Function] = {}
    for module in _modules(package):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[module.__name__, node.name] = _described(module, node)
    return found


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not info.name.endswith(".errors"):
            yield importlib.import_module(info.name)


def _described(module: ModuleType, function: ast.FunctionDef | ast.AsyncFunctionDef) -> _Function:
    described = _Function()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and inspect.isfunction(mentioned := getattr(module, node.id, None)):
            described.mentions.add(_place(mentioned))
        if isinstance(node, ast.Raise) and node.exc is not None:
            described.raises.add(_class_name(node.exc))
    return described


def _class_name(raised: ast.expr) -> str:
    """``X``, ``X(...)`` and ``X.made_so(...)`` all raise X."""
    if isinstance(raised, ast.Call):
        raised = raised.func
    if isinstance(raised, ast.Attribute):
        raised = raised.value
    assert isinstance(raised, ast.Name), ast.dump(raised)
    return raised.id
