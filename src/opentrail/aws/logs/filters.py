"""TestMetricFilter: which messages a filter pattern picks, by the code that filters are matched with."""

import asyncio
from collections.abc import Iterator
from typing import Any

from opentrail.aws.logs.errors import InvalidParameterException
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.filter_pattern import parse_filter_pattern


async def test_metric_filter(ports: ApiPorts, call: Call) -> Outcome:
    """List the messages that the pattern picks, numbered from 1, each with its fields as a space-delimited pattern
    names them."""
    pattern, messages = call.parameters["filterPattern"], call.parameters["logEventMessages"]
    return Outcome({"matches": await asyncio.to_thread(lambda: list(_matches(pattern, messages)))})


def _matches(text: str, messages: list[str]) -> Iterator[dict[str, Any]]:
    try:
        pattern = parse_filter_pattern(text)
    except InvalidPattern as error:
        raise InvalidParameterException(str(error)) from error
    for number, message in enumerate(messages, 1):
        values = pattern.match(message)
        if values is not None:
            yield {"eventNumber": number, "eventMessage": message, "extractedValues": values}
