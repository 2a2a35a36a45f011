"""Named chat services and the like, through Apprise, which knows how each of them is spoken to.

It is loaded when the first message is sent, and makes its own connections: to what the operator's settings name, and
to nothing that an event or a caller says.
"""

import asyncio
import importlib.util
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opentrail.deliver.readable import readable
from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch

MAX_CONNECTIONS = 2
MAX_WAITING = 64
"""Messages to one service that wait for a connection; more are Unavailable, and tried again."""

MAX_TEXT_CHARACTERS = 1_500
"""What most services take in one message."""

ANSWER_SECONDS = 60
"""Apprise itself waits 4 s to connect and 4 s for an answer, for each of the calls that a service takes."""


def is_installed() -> bool:
    """Say whether Apprise can be loaded, without loading it."""
    return importlib.util.find_spec("apprise") is not None


class ChatTarget:
    """Implements Targets for one service. ``url`` is Apprise's, and holds secrets."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._url = url
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, "chat")
        self._waiting = 0
        self._opening = threading.Lock()
        self._service: Any = None

    async def send(self, dispatch: Dispatch) -> None:
        if self._waiting >= MAX_WAITING:
            raise Unavailable(f"too many messages wait for {self._name}")
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._tell, dispatch)
        future.add_done_callback(self._done)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                is_taken = await asyncio.shield(future)
        except TimeoutError as error:
            raise Unavailable(f"{self._name} did not answer in {ANSWER_SECONDS} s") from error
        if not is_taken:
            raise Unavailable(f"{self._name} did not take the message")

    def _done(self, future: asyncio.Future[bool]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # of one that was too late nobody else asks

    def _tell(self, dispatch: Dispatch) -> bool:
        said = readable(dispatch.text, str(dispatch.target.get("Subject", "")))
        text = said.text if len(said.text) <= MAX_TEXT_CHARACTERS else said.text[: MAX_TEXT_CHARACTERS - 3] + "..."
        return bool(self._open().notify(title=said.title, body=text or said.title, body_format="text"))

    def _open(self) -> Any:
        with self._opening:
            if self._service is None:
                self._service = self._opened()
            return self._service

    def _opened(self) -> Any:
        try:
            import apprise  # 40 MB of memory and a third of a second, for who uses it
        except ImportError as error:
            raise Unavailable("Apprise is not installed: pip install 'opentrail[chat]'") from error
        # What it says on a lower level holds addresses with their secrets.
        logging.getLogger("apprise").setLevel(logging.WARNING)
        asset = apprise.AppriseAsset(app_id="Opentrail", app_desc="Opentrail", app_url="", storage_mode="memory")
        service = apprise.Apprise(asset=asset)
        if not service.add(self._url):
            raise Unavailable(f"the setting target.{self._name}.chat is no URL that Apprise knows")
        return service

    def close(self) -> None:
        """Let the threads go once their messages are sent."""
        self._threads.shutdown(wait=False, cancel_futures=True)
