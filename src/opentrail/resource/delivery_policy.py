"""SNS delivery policies: how often and how patiently a message is tried (reference: SNS, retries)."""

from collections.abc import Mapping
from typing import Any

import orjson

DEFAULT_RETRIES: Mapping[str, Any] = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}

MAX_RETRIES = 100
MAX_TOTAL_SECONDS = 3600
"""SNS's own bounds of the retries over HTTP."""

HTTP_AGE_SECONDS = 3600
MANAGED_ATTEMPTS, MANAGED_AGE_SECONDS = 100_015, 23 * 86_400
MAIL_ATTEMPTS, MAIL_AGE_SECONDS = 50, 6 * 3600
"""SNS's own patience with queues and functions, and with mail."""

_COUNTS = ("numRetries", "numMaxDelayRetries", "numNoDelayRetries", "numMinDelayRetries")
_FUNCTIONS = ("linear", "arithmetic", "geometric", "exponential")


class InvalidDeliveryPolicy(ValueError):
    """The policy cannot be followed; the message says why."""


def retries_of(policy: str, member: str) -> dict[str, Any]:
    """Return the retry policy in ``member`` of a delivery policy, "" for none, filled with what SNS does by default.

    Raises InvalidDeliveryPolicy.
    """
    found = _member(policy, member)
    retries = {**DEFAULT_RETRIES, **found}
    unknown = set(found) - set(DEFAULT_RETRIES)
    if unknown:
        raise InvalidDeliveryPolicy(f"unknown member {min(unknown)}")
    for name in (*_COUNTS, "minDelayTarget", "maxDelayTarget"):
        if not isinstance(retries[name], int) or isinstance(retries[name], bool) or retries[name] < 0:
            raise InvalidDeliveryPolicy(f"{name} must be a whole number")
    if retries["backoffFunction"] not in _FUNCTIONS:
        raise InvalidDeliveryPolicy("backoffFunction must be linear, arithmetic, geometric or exponential")
    if retries["numRetries"] > MAX_RETRIES or sum(retries[name] for name in _COUNTS[1:]) > retries["numRetries"]:
        raise InvalidDeliveryPolicy(f"numRetries must be at most {MAX_RETRIES}, and not less than its phases together")
    if not 1 <= retries["minDelayTarget"] <= retries["maxDelayTarget"] <= MAX_TOTAL_SECONDS:
        raise InvalidDeliveryPolicy("minDelayTarget must be at least 1 and at most maxDelayTarget")
    if sum(delays_of(retries)) > MAX_TOTAL_SECONDS:
        raise InvalidDeliveryPolicy(f"the retries must end within {MAX_TOTAL_SECONDS} seconds")
    return retries


def is_overriding_disabled(topics: str) -> bool:
    """Say whether a topic's delivery policy keeps its subscriptions from having their own. Raises
    InvalidDeliveryPolicy."""
    document = _document(topics)
    inner = document.get("http", document)
    return isinstance(inner, dict) and inner.get("disableSubscriptionOverrides") is True


def effective_retries(topics: str, own: str) -> dict[str, Any]:
    """Return the retry policy that holds for a subscription: its own, or its topic's. Raises InvalidDeliveryPolicy."""
    if own and not is_overriding_disabled(topics):
        return retries_of(own, "healthyRetryPolicy")
    return retries_of(topics, "defaultHealthyRetryPolicy")


def delays_of(retries: Mapping[str, Any]) -> list[float]:
    """Return the seconds before each retry: none, the shortest, the back-off's, the longest."""
    least, most = retries["minDelayTarget"], retries["maxDelayTarget"]
    none, short, long = (retries[f"num{name}DelayRetries"] for name in ("No", "Min", "Max"))
    number = retries["numRetries"] - none - short - long
    middle = [_between(retries["backoffFunction"], least, most, step, number) for step in range(1, number + 1)]
    return [0.0] * none + [float(least)] * short + middle + [float(most)] * long


def _between(function: str, least: float, most: float, step: int, number: int) -> float:
    part = step / number
    if function == "linear":
        return least + (most - least) * part
    if function == "arithmetic":
        return least + (most - least) * step * (step + 1) / (number * (number + 1))
    if function == "geometric":
        return float(least * (most / least) ** part)
    return float(min(most, least * 2 ** (step - 1)))


def _member(policy: str, member: str) -> Mapping[str, Any]:
    document = _document(policy)
    inner = document.get("http", document) if member == "defaultHealthyRetryPolicy" else document
    found = inner.get(member) if isinstance(inner, dict) else None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidDeliveryPolicy(f"{member} is no JSON object")
    return found


def _document(policy: str) -> Mapping[str, Any]:
    if not policy:
        return {}
    try:
        document = orjson.loads(policy)
    except orjson.JSONDecodeError:
        raise InvalidDeliveryPolicy("it is no JSON") from None
    if not isinstance(document, dict):
        raise InvalidDeliveryPolicy("it is no JSON object")
    return document
