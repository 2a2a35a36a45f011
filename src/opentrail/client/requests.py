"""What a web application's request becomes as an audit event, for ASGI and WSGI alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentrail.client.audit_log import AuditEvent, AuditLog, AuditLogFull

ANONYMOUS = "anonymous"
FIRST_FAILURE = 400

Identify = Callable[[Mapping[str, Any]], str]
"""Who makes a request: from the ASGI scope or the WSGI environment to a principal's name, "" for nobody known."""

Name = Callable[[Mapping[str, Any], str, str], str]
"""What a request is called: (scope or environment, method, path) -> the event's name."""


def method_and_path(request: Mapping[str, Any], method: str, path: str) -> str:
    """Call a request by its method and path, such as ``DELETE /orders/7``."""
    return f"{method} {path}"


@dataclass(frozen=True)
class RequestRecorder:
    """Records requests in ``audit``. Query strings, headers and bodies are not recorded: they may hold secrets.

    Reads (GET, HEAD, OPTIONS) are left out unless ``reads`` is set. When the audit log has no room for ``timeout``
    seconds the event is lost and ``on_lost`` is told, unless ``is_strict``: then the request fails.
    """

    audit: AuditLog
    identify: Identify | None = None
    name: Name = method_and_path
    reads: bool = False
    is_strict: bool = False
    timeout: float = 1.0
    on_lost: Callable[[AuditEvent], None] | None = None
    additional: Mapping[str, Any] = field(default_factory=dict)

    def is_recorded(self, method: str) -> bool:
        return self.reads or method not in {"GET", "HEAD", "OPTIONS"}

    def record(
        self, request: Mapping[str, Any], method: str, path: str, status: int, source_ip: str, user_agent: str
    ) -> None:
        """Record one answered request. Raises AuditLogFull when it is strict."""
        principal = (self.identify(request) if self.identify is not None else "") or ANONYMOUS
        is_failure = status >= FIRST_FAILURE
        event = AuditEvent(
            name=self.name(request, method, path),
            source=self.audit.source,
            principal=principal,
            principal_type="Anonymous" if principal == ANONYMOUS else "User",
            request={"method": method, "path": path},
            response={"status": status},
            error_code=str(status) if is_failure else "",
            source_ip=source_ip,
            user_agent=user_agent,
            additional=self.additional or None,
        )
        try:
            self.audit.put(event, timeout=self.timeout)
        except AuditLogFull:
            if self.is_strict:
                raise
            if self.on_lost is not None:
                self.on_lost(event)
