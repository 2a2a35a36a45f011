"""Filter patterns as calls bring them, and what of them counts against quotas."""

import re

from opentrail.aws.logs.errors import InvalidParameterException
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.filter_pattern import FilterPattern, parse_filter_pattern

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def read_pattern(text: str) -> FilterPattern:
    """Return the pattern that ``text`` spells. Raises InvalidParameter with CloudWatch Logs' text."""
    try:
        return parse_filter_pattern(text)
    except InvalidPattern as error:
        raise InvalidParameterException(str(error)) from error


def has_expression(text: str) -> bool:
    """Say whether a pattern that was read has a regular expression."""
    return "%" in _QUOTED.sub("", text)
