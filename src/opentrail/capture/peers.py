"""Whose address a call came from: the peer's own, unless a proxy that the operator trusts names another."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from opentrail.http_message import HeaderList

_FORWARDED_LIMIT = 32
"""Most entries of X-Forwarded-For that are looked at, from the right."""


class TrustedProxies:
    """The networks whose X-Forwarded-For and X-Forwarded-Proto headers are believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self._trusts = lru_cache(maxsize=1024)(self._is_listed)

    def trusts(self, peer: str) -> bool:
        """Say whether a peer is one of these proxies, through which many callers come."""
        return bool(self._networks) and self._trusts(peer)

    def caller(self, peer: str, headers: HeaderList) -> tuple[str, bool]:
        """Return the caller's address and whether it spoke TLS to a trusted proxy.

        X-Forwarded-For is read from the right: the first address that is not itself a trusted proxy is the caller;
        what stands left of it is the caller's own claim. An entry that is no address ends the search.
        """
        if not self.trusts(peer):
            return peer, False
        forwarded = [value for name, value in headers if name.lower() == "x-forwarded-for"]
        is_tls = any(name.lower() == "x-forwarded-proto" and value.lower() == "https" for name, value in headers)
        caller = peer
        for entry in reversed(",".join(forwarded).split(",")[-_FORWARDED_LIMIT:]):
            address = _address(entry.strip())
            if not address:
                break
            caller = address
            if not self._trusts(address):
                break
        return caller, is_tls

    def _is_listed(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def _address(text: str) -> str:
    """Return the bare address of an entry, which may carry a port; empty when it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
