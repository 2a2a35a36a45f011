"""Middleware that records the requests of a WSGI application (Flask, Django, ...).

```python
app.wsgi_app = AuditMiddleware(app.wsgi_app, AuditLog(CHANNEL_ARN, source="orders.example.com"))
```
"""

from collections.abc import Callable, Iterable
from typing import Any

from opentrail.client.audit_log import AuditLog
from opentrail.client.requests import RequestRecorder

Environment = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environment, StartResponse], Iterable[bytes]]

_FAILED = 500


class AuditMiddleware:
    """Records every request once the application answers; ``options`` are those of RequestRecorder."""

    def __init__(self, app: Application, audit: AuditLog, **options: Any) -> None:
        self._app = app
        self._recorder = RequestRecorder(audit, **options)

    def __call__(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        method = str(environ.get("REQUEST_METHOD", "GET"))
        if not self._recorder.is_recorded(method):
            return self._app(environ, start_response)
        status = _FAILED

        def note(line: str, *arguments: Any) -> Any:
            nonlocal status
            status = int(line.split(" ", 1)[0])
            return start_response(line, *arguments)

        try:
            return self._app(environ, note)
        finally:
            self._recorder.record(
                environ,
                method,
                str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", "")),
                status,
                str(environ.get("REMOTE_ADDR", "")),
                str(environ.get("HTTP_USER_AGENT", "")),
            )
