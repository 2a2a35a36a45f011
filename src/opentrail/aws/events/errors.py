"""The errors of EventBridge's service model that our handlers raise: one class per shape, each text once."""

from opentrail.errors import AwsError


class InvalidEventPatternException(AwsError):
    """The event pattern breaks its language's rules (docs/languages/event-patterns.md)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Event pattern is not valid. Reason: {reason}")
