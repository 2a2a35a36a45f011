"""A real SMTP server on the loopback interface that keeps what it is handed."""

from asyncio.base_events import Server
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


class MailServer:
    """``address`` is HOST:PORT; recipients in ``refused`` are answered 550."""

    def __init__(self) -> None:
        self.address = ""
        self.received: list[EmailMessage] = []
        self.refused: set[str] = set()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.original_content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return "250 OK"


class _FreePort(Controller):
    """The controller greets its own port to see that it serves; with port 0 that is the one it was given."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Listen on a free port."""
    kept = MailServer()
    controller = _FreePort(kept, hostname="127.0.0.1", port=0)
    controller.start()
    kept.address = f"127.0.0.1:{controller.port}"
    try:
        yield kept
    finally:
        controller.stop()
