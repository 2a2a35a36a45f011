"""An application's own audit events, recorded through a channel of an event data store.

```python
from opentrail.client import AuditLog

with AuditLog("arn:aws:cloudtrail:us-east-1:123456789012:channel/...", source="orders.example.com") as audit:
    audit.record("CancelOrder", principal="anaya", request={"order": 7})
```
``asgi`` and ``wsgi`` record the requests of a web application.
"""

from opentrail.client.audit_log import AuditEvent as AuditEvent
from opentrail.client.audit_log import AuditLog as AuditLog
from opentrail.client.audit_log import AuditLogFull as AuditLogFull
from opentrail.client.audit_log import AuditLogRefused as AuditLogRefused
from opentrail.client.audit_log import NotRecorded as NotRecorded
from opentrail.client.channel import Channel as Channel
