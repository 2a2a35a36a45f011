"""Where calls may go: the public internet, and what the operator's settings allow beyond it.

An allowance is a network (``10.1.0.0/16``), an address, a host (``hooks.internal``) or all hosts below one
(``*.internal``); with ``:PORT`` it is for that port alone. A host that is allowed may resolve to any address.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from opentrail.outgoing.addresses import Address, carried, is_machines_own, is_public
from opentrail.outgoing.endpoint import Endpoint

USUAL_PORTS = frozenset({80, 443})
FIRST_FREE_PORT = 1024
"""Of the ports below, only USUAL_PORTS are called: the others belong to services that are no web servers."""

_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,250}[a-z0-9_])?")
_PORT = re.compile(r"(?P<place>.*):(?P<port>\d{1,5})")


class DestinationRefused(Exception):
    """A place that may not be called, unless the operator's settings allow it."""


@dataclass(frozen=True, slots=True)
class _Allowance:
    network: Any = None
    host: str = ""
    port: int = 0

    def covers(self, endpoint: Endpoint, address: Address) -> bool:
        if self.port and self.port != endpoint.port:
            return False
        if self.network is not None:
            return any(each.version == self.network.version and each in self.network for each in _readings(address))
        if self.host.startswith("*."):
            return endpoint.host.endswith(self.host[1:])
        return endpoint.host == self.host


class Guard:
    """Judges destinations by the allowances of the operator's settings."""

    def __init__(self, allowances: Sequence[str] = (), *, allows_all: bool = False) -> None:
        self._allowances = [_parse(text) for text in allowances]
        self._allows_all = allows_all

    def check(self, endpoint: Endpoint, addresses: Sequence[Address]) -> None:
        """Raise DestinationRefused unless every address that the endpoint's host has may be called."""
        if not addresses:
            raise DestinationRefused(f"the host {endpoint.host} has no address")
        if self._allows_all:
            _check_named(endpoint, addresses)
            return
        for address in addresses:
            if any(allowance.covers(endpoint, address) for allowance in self._allowances):
                continue
            if not is_public(address):
                raise DestinationRefused(
                    f"{endpoint.host} is in a network that this installation does not call; outgoing.allow allows it"
                )
            if endpoint.port not in USUAL_PORTS and endpoint.port < FIRST_FREE_PORT:
                raise DestinationRefused(
                    f"port {endpoint.port} of {endpoint.host} is not called by this installation; "
                    "outgoing.allow allows it"
                )


class CredentialGuard(Guard):
    """For calls that carry credentials: to the public internet over https alone."""

    def check(self, endpoint: Endpoint, addresses: Sequence[Address]) -> None:
        """Raise DestinationRefused unless the endpoint may be called, and read by nobody on the way."""
        super().check(endpoint, addresses)
        if endpoint.scheme != "https" and any(is_public(address) for address in addresses):
            raise DestinationRefused(f"credentials go to {endpoint.host} over https alone")


ANYWHERE = Guard(allows_all=True)
"""For what the operator's settings name themselves, which may be anywhere; a name that turns out to be of a cloud's
services for this machine was not meant, so such an address must be named itself."""


def _check_named(endpoint: Endpoint, addresses: Sequence[Address]) -> None:
    if endpoint.address is None and any(is_machines_own(address) for address in addresses):
        raise DestinationRefused(
            f"{endpoint.host} leads to a link-local address, which only settings that name it reach"
        )


def check_allowance(text: str) -> str:
    """Return an allowance in its usual spelling; raises ValueError when it is none."""
    _parse(text)
    return text.strip().lower()


def _parse(text: str) -> _Allowance:
    place, port = text.strip().lower(), 0
    found = _PORT.fullmatch(place)
    if found and (place.startswith("[") or place.count(":") == 1):
        place, port = found["place"], int(found["port"])
    try:
        return _Allowance(network=ip_network(place.strip("[]")), port=port)
    except ValueError:
        if not _HOST.fullmatch(place) or not 0 <= port <= 65535:
            raise ValueError("must be a network, an address, a host or *.domain, with :PORT if wished") from None
    return _Allowance(host=place, port=port)


def _readings(address: Address) -> tuple[Address, ...]:
    return address, carried(address)
