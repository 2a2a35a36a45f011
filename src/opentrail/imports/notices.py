"""Messages that say that log files were delivered, in every form in which they reach a queue.

| form | sent by |
|---|---|
| ``{"Records":[{"s3":{"bucket":{"name"},"object":{"key"}}}]}`` | S3's event notifications |
| ``{"s3Bucket":...,"s3ObjectKey":[...]}`` | CloudTrail's own SNS notices |
| ``{"detail-type":"Object Created","detail":{"bucket":{"name"},"object":{"key"}}}`` | S3 through EventBridge |
| ``{"Type":"Notification","Message":"..."}`` | any of these through an SNS topic |
"""

from typing import Any
from urllib.parse import unquote_plus

import orjson

MAX_ENVELOPES = 3


class NotANotice(ValueError):
    """The message says nothing of delivered objects that can be understood."""


def delivered_objects(body: str) -> list[tuple[str, str]]:
    """Return (bucket, key) of the objects that a message says were delivered; none for a test. Raises NotANotice."""
    return _objects(body, MAX_ENVELOPES)


def _objects(body: str, envelopes: int) -> list[tuple[str, str]]:
    try:
        said = orjson.loads(body)
    except ValueError:
        raise NotANotice("it is no JSON") from None
    if not isinstance(said, dict) or envelopes == 0:
        raise NotANotice("it is no notice of S3 or CloudTrail")
    if isinstance(said.get("Message"), str) and ("TopicArn" in said or said.get("Type") == "Notification"):
        return _objects(said["Message"], envelopes - 1)
    if said.get("Event") == "s3:TestEvent" or said.get("Message") == "CloudTrail validation message.":
        return []
    try:
        return _named_by(said)
    except (KeyError, TypeError, AttributeError):
        raise NotANotice("it names no object") from None


def _named_by(said: dict[str, Any]) -> list[tuple[str, str]]:
    if "s3Bucket" in said:
        return [(str(said["s3Bucket"]), str(key)) for key in said["s3ObjectKey"]]
    if "detail" in said:
        if said.get("detail-type") != "Object Created":
            return []
        return [(str(said["detail"]["bucket"]["name"]), str(said["detail"]["object"]["key"]))]
    return [
        (str(one["s3"]["bucket"]["name"]), unquote_plus(one["s3"]["object"]["key"]))
        for one in said["Records"]
        if str(one.get("eventName", "ObjectCreated")).removeprefix("s3:").startswith("ObjectCreated")
    ]
