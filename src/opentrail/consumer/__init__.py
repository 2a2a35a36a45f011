"""CloudTrail's events as they are delivered, for Python programs: sources, filters, checkpoints, error handling.

```python
from opentrail.consumer import Consumer, QueueSource

def handle(events):
    for event in events:
        print(event["eventTime"], event["eventName"], event.location)

Consumer(QueueSource("https://sqs.eu-west-1.amazonaws.com/123456789012/trail-notices"), handle).run()
```
Every event is handed over at least once: a file is done with, durably, after ``handle`` returned for all of its events.
"""

from opentrail.consumer.consuming import Consumer as Consumer
from opentrail.consumer.consuming import ErrorAction as ErrorAction
from opentrail.consumer.consuming import Progress as Progress
from opentrail.consumer.events import CloudTrailEvent as CloudTrailEvent
from opentrail.consumer.events import LogFileError as LogFileError
from opentrail.consumer.sources import BucketSource as BucketSource
from opentrail.consumer.sources import Key as Key
from opentrail.consumer.sources import QueueSource as QueueSource
from opentrail.consumer.sources import Source as Source
