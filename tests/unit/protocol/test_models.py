"""Model loading."""

import pytest

from opentrail.protocol import Operation, models


def test_shapes_reached_by_many_paths_are_one_object() -> None:
    attribute = models.operation_model(Operation("dynamodb", "PutItem")).input_shape.members["Item"].value

    assert attribute.members["M"].value is attribute
    assert attribute.members["L"].member.members["M"].value is attribute


def test_sdk_extras_are_part_of_the_model() -> None:
    model = models.operation_model(Operation("rds", "CopyDBSnapshot"))

    assert "SourceRegion" in model.input_shape.members


@pytest.mark.parametrize(
    ("service", "source"),
    [
        ("cloudtrail", "cloudtrail.amazonaws.com"),
        ("cloudwatch", "monitoring.amazonaws.com"),
        ("stepfunctions", "states.amazonaws.com"),
        ("ses", "ses.amazonaws.com"),
        ("ecr", "ecr.amazonaws.com"),
        ("docdb", "rds.amazonaws.com"),
        ("application-autoscaling", "autoscaling.amazonaws.com"),
    ],
)
def test_event_sources_are_those_of_cloudtrail(service: str, source: str) -> None:
    assert models.event_source(service) == source


@pytest.mark.parametrize("service", ["", ".", "..", "../data", "s3/2006-03-01", "nothing"])
def test_unknown_services_are_refused(service: str) -> None:
    with pytest.raises(models.UnknownService):
        models.service_model(service)


def test_unknown_operations_are_refused() -> None:
    with pytest.raises(models.UnknownOperation):
        models.operation_model(Operation("s3", "NoSuchOperation"))
