"""The CloudTrail record: what one event is, before anyone stores or delivers it."""

from typing import Any

Event = dict[str, Any]
"""One CloudTrail event as its JSON object, wire names, keys in CloudTrail's order (reference: events, section 1)."""
