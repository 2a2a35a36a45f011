"""Middleware that records the requests of an ASGI application (Starlette, FastAPI, Django, ...).

```python
audit = AuditLog(CHANNEL_ARN, source="orders.example.com")
app = AuditMiddleware(app, audit, identify=lambda scope: scope["user"].display_name)
```
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opentrail.client.audit_log import AuditLog
from opentrail.client.requests import RequestRecorder

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_FAILED = 500


class AuditMiddleware:
    """Records every HTTP request once its answer is known; ``options`` are those of RequestRecorder."""

    def __init__(self, app: Application, audit: AuditLog, **options: Any) -> None:
        self._app = app
        self._recorder = RequestRecorder(audit, **options)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._recorder.is_recorded(scope["method"]):
            await self._app(scope, receive, send)
            return
        status = _FAILED

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            client = scope.get("client") or ("",)
            agent = next((value for name, value in scope.get("headers", ()) if name == b"user-agent"), b"")
            # In a thread, because it waits when the audit log is full.
            await asyncio.to_thread(
                self._recorder.record,
                scope,
                scope["method"],
                scope["path"],
                status,
                str(client[0]),
                agent.decode("latin-1"),
            )
