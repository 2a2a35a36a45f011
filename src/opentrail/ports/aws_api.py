"""Calls of AWS's API in somebody's name, as any client makes them."""

from typing import Any, Protocol

from opentrail.ports import PortError


class CallRefused(PortError):
    """The service answered with an error; ``code`` is its own."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation} was answered {code}: {message}")
        self.code = code


class AwsApi(Protocol):
    """The API of one Region, for one caller."""

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation by its wire name, of a service by boto3's, and return what it answers.

        Raises CallRefused; Unavailable when nothing answers.
        """
