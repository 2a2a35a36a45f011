"""SearchSampleQueries: the samples that ``opentrail.query.sample_queries`` keeps (reference: api section 6)."""

import asyncio
import base64

import orjson

from opentrail.aws.cloudtrail.errors import InvalidParameterException
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.protocol import Parameters
from opentrail.query.sample_queries import search_samples

DEFAULT_RESULTS = 10


async def search_sample_queries(ports: ApiPorts, call: Call) -> Outcome:
    """Show the samples that fit a phrase, the most relevant first."""
    phrase: str = call.parameters["SearchPhrase"]
    first = _first(call, phrase)
    found = await asyncio.to_thread(search_samples, phrase)
    page = found[first : first + call.parameters.get("MaxResults", DEFAULT_RESULTS)]
    output: Parameters = {
        "SearchResults": [
            {"Name": query.name, "Description": query.description, "SQL": query.sql, "Relevance": relevance}
            for query, relevance in page
        ]
    }
    if first + len(page) < len(found):
        output["NextToken"] = base64.urlsafe_b64encode(orjson.dumps([phrase, first + len(page)])).decode()
    return Outcome(output)


def _first(call: Call, phrase: str) -> int:
    token: str = call.parameters.get("NextToken", "")
    if not token:
        return 0
    try:
        said, first = orjson.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        said, first = None, 0
    if said != phrase or not isinstance(first, int) or first < 0:
        raise InvalidParameterException("The NextToken is not one of this search.")
    return first
