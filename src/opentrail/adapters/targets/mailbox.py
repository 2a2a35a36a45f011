"""Named mailboxes: a mail with what people read of the text, and the whole text below where that is a summary."""

from collections.abc import Sequence

import orjson

from opentrail.adapters.targets.mail import Mail
from opentrail.deliver.readable import readable
from opentrail.ports.targets import Dispatch


class MailboxTarget:
    """Implements Targets for the addresses of one setting, which get one mail together."""

    def __init__(self, addresses: Sequence[str], mail: Mail) -> None:
        self._to = ", ".join(addresses)
        self._mail = mail

    async def send(self, dispatch: Dispatch) -> None:
        said = readable(dispatch.text, str(dispatch.target.get("Subject", "")))
        text = said.text
        if said.is_summary:
            whole = orjson.dumps(orjson.loads(dispatch.text), option=orjson.OPT_INDENT_2).decode()
            text = f"{text}\n\n{whole}"
        await self._mail.send(self._to, dispatch.invocation_id, said.title, text, {})
