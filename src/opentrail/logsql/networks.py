"""Addresses and subnets, as the functions of the language judge them."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4096)
def ip_version(text: str) -> int:
    """Return 4 or 6 for an address, 0 for any other text."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


@lru_cache(maxsize=4096)
def is_in_subnet(address: str, subnet: str, version: int) -> bool:
    """Say whether an address is in a subnet (CIDR), both of ``version`` (4, 6, or 0 for either)."""
    network = _network(subnet)
    found = ip_version(address)
    if network is None or not found or version not in (0, found):
        return False
    return network.version == found and ipaddress.ip_address(address) in network


@lru_cache(maxsize=64)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
