"""Shapes that are kept as JSON are the shapes of the description."""

import pytest

from opentrail.protocol.models import read_description, service_model


@pytest.mark.parametrize("service", ["sts", "docdb"])
def test_a_model_has_the_shapes_that_its_description_has(service: str) -> None:
    model, description = service_model(service), read_description(service)

    assert sorted(model.shape_names) == sorted(description["shapes"])
    assert {name: model._service_description["shapes"][name] for name in model.shape_names} == description["shapes"]
    assert sorted(model.operation_names) == sorted(description["operations"])


def test_a_shape_is_read_once() -> None:
    shapes = service_model("sts")._service_description["shapes"]

    assert shapes["AssumeRoleRequest"] is shapes["AssumeRoleRequest"]
    assert "NoSuchShape" not in shapes
