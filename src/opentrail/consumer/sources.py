"""Where a consumer's log files come from: a queue of notices, or a bucket that is listed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from opentrail.adapters.checkpoints.sqlite import SqliteCheckpoints
from opentrail.adapters.cloudtrail_api.client import Credentials as Key
from opentrail.adapters.message_queue.sqs import SqsQueue
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.clock import SystemClock
from opentrail.imports.feeds import Feed, ListingFeed, QueueFeed
from opentrail.imports.selection import KeySelection

__all__ = ["BucketSource", "Key", "QueueSource", "Source"]


@dataclass(frozen=True)
class QueueSource:
    """The files that an SQS queue's messages name: S3's notifications, CloudTrail's or EventBridge's, also through SNS.

    ``file_filter`` says of (bucket, key) whether a file is wanted; the message of one that is not counts as done with.
    Credentials are the environment's unless ``key`` is given; ``endpoint_url`` "" is AWS.
    """

    queue_url: str
    regions: Sequence[str] = ()
    file_filter: Callable[[str, str], bool] | None = None
    endpoint_url: str = ""
    region: str = "us-east-1"
    key: Key | None = None

    def open(self) -> Feed:
        """Return the feed; it belongs to one event loop."""
        queue = SqsQueue(self.queue_url, endpoint_url=self.endpoint_url, region=self.region, key=_named(self.key))
        buckets = S3Buckets(_endpoint(self.endpoint_url, self.region, self.key))
        return QueueFeed(queue, buckets.bucket, KeySelection(regions=tuple(self.regions)), self.file_filter)


@dataclass(frozen=True)
class BucketSource:
    """The files below a prefix of a bucket, found by listing it. What is done with is kept in the file ``checkpoint``:
    the next run goes on there, days later too. ``since`` leaves out files of earlier days."""

    bucket: str
    checkpoint: Path | str
    prefix: str = "AWSLogs/"
    since: datetime | None = None
    regions: Sequence[str] = ()
    file_filter: Callable[[str, str], bool] | None = None
    endpoint_url: str = ""
    region: str = "us-east-1"
    key: Key | None = None

    def open(self) -> Feed:
        """Return the feed; it belongs to one event loop."""
        store = S3Buckets(_endpoint(self.endpoint_url, self.region, self.key)).bucket(self.bucket)
        checkpoints = SqliteCheckpoints(Path(self.checkpoint).expanduser())
        return ListingFeed(
            store,
            self.bucket,
            self.prefix,
            checkpoints,
            SystemClock(),
            self.since,
            tuple(self.regions),
            self.file_filter,
        )


Source = QueueSource | BucketSource


def _endpoint(url: str, region: str, key: Key | None) -> S3Endpoint:
    if key is None:
        return S3Endpoint(url, region)
    return S3Endpoint(url, region, key.access_key_id, key.secret_access_key, key.session_token)


def _named(key: Key | None) -> dict[str, str]:
    if key is None:
        return {}
    return {
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret_access_key,
        "session_token": key.session_token,
    }
