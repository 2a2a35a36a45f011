"""The errors that cross a layer: answers meant for an API caller, and sentences meant for the operator.

Errors that one port can raise are declared beside that port.
"""

from typing import ClassVar


class AwsError(Exception):
    """An answer meant for the caller of an AWS API.

    ``code`` is the code on the wire and is filled with the class name on subclassing; ``str(error)`` is the message.
    CloudTrail's service model gives none of its shapes a status of its own, so 400 is the answer unless a class says
    otherwise.
    """

    code: ClassVar[str] = "InternalFailure"
    http_status: ClassVar[int] = 400

    def __init_subclass__(cls, *, code: str | None = None, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = code or cls.__name__


class OperatorError(Exception):
    """One sentence for the person who runs Opentrail: what is wrong and what to do. The process or command ends."""


class SettingsError(OperatorError):
    """A setting is missing, unknown or malformed."""


class HomeInUse(OperatorError):
    """Another process owns the home folder."""


class JournalCorrupt(OperatorError):
    """A journal segment failed its checksum; the message names the file and the row."""
