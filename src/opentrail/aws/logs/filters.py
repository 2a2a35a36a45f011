"""TestMetricFilter: which messages a filter pattern picks, by the code that filters are matched with."""

import asyncio
from collections.abc import Iterator
from typing import Any

from opentrail.aws.logs.patterns import read_pattern
from opentrail.aws.service import ApiPorts, Call, Outcome


async def test_metric_filter(ports: ApiPorts, call: Call) -> Outcome:
    """List the messages that the pattern picks, numbered from 1, each with its fields as a space-delimited pattern
    names them."""
    pattern, messages = call.parameters["filterPattern"], call.parameters["logEventMessages"]
    return Outcome({"matches": await asyncio.to_thread(lambda: list(_matches(pattern, messages)))})


def _matches(text: str, messages: list[str]) -> Iterator[dict[str, Any]]:
    pattern = read_pattern(text)
    for number, message in enumerate(messages, 1):
        values = pattern.match(message)
        if values is not None:
            yield {"eventNumber": number, "eventMessage": message, "extractedValues": values}
