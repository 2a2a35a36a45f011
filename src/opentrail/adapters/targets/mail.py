"""Messages as mail, through the SMTP server that the settings name."""

import asyncio
import smtplib
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime

from opentrail.clock import Clock
from opentrail.ports import Unavailable
from opentrail.ports.targets import TargetRefused

MAX_CONNECTIONS = 2
MAX_WAITING = 64
"""Mails that wait for a connection; more are Unavailable, and tried again."""

TIMEOUT_S = 15

_PERMANENT = 500


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in, and from whom. ``tls`` is starttls, tls or none; ``ca_bundle`` a file, "" for the
    system's CAs; without ``username`` nobody logs in."""

    host: str
    port: int
    sender: str
    tls: str = "starttls"
    username: str = ""
    password: str = ""
    ca_bundle: str = ""


class Mail:
    """Hands mails in, each over a connection of its own."""

    def __init__(self, server: MailServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, "mail")
        self._waiting = 0

    async def send(self, to: str, message_id: str, subject: str, text: str, headers: Mapping[str, str]) -> None:
        """Return once the server took the mail. Raises TargetRefused and Unavailable."""
        if self._waiting >= MAX_WAITING:
            raise Unavailable("too many mails wait")
        try:
            mail = self._mail(to, message_id, subject, text, headers)
        except ValueError as error:
            raise TargetRefused("INVALID_PARAMETER", str(error)) from error
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._hand_in, mail)
        future.add_done_callback(self._done)
        await future

    def _done(self, _: object) -> None:
        self._waiting -= 1

    def _mail(self, to: str, message_id: str, subject: str, text: str, headers: Mapping[str, str]) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._server.sender
        mail["To"] = to
        mail["Subject"] = subject
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{message_id}@{self._server.sender.rpartition('@')[2].strip('>')}>"
        mail["Auto-Submitted"] = "auto-generated"
        for name, value in headers.items():
            mail[name] = value
        mail.set_content(text)
        return mail

    def _hand_in(self, mail: EmailMessage) -> None:
        server = self._server
        try:
            context = ssl.create_default_context(cafile=server.ca_bundle or None)
            if server.tls == "tls":
                connection: smtplib.SMTP = smtplib.SMTP_SSL(
                    server.host, server.port, timeout=TIMEOUT_S, context=context
                )
            else:
                connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
            with connection:
                if server.tls == "starttls":
                    connection.starttls(context=context)
                if server.username:
                    connection.login(server.username, server.password)
                connection.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise _judged(code, "the mail server does not take this address") from error
        except smtplib.SMTPResponseException as error:
            raise _judged(error.smtp_code, f"the mail server answered {error.smtp_code}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable(f"the mail server did not take it: {error}") from error

    def close(self) -> None:
        """Let the threads go once their mails are handed in."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _judged(code: int, message: str) -> Exception:
    # A login that fails is the operator's to mend, and what waits is sent then.
    if code >= _PERMANENT and code not in (530, 534, 535, 538):
        return TargetRefused("INVALID_PARAMETER", message)
    return Unavailable(message)
