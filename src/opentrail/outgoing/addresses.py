"""Which IP addresses belong to the public internet, and which lead into somebody's own network.

The registries of special-purpose addresses (RFC 6890 and its successors), and what carries an IPv4 address inside an
IPv6 one: such an address is judged by the one that it carries.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent, answering inside every virtual machine of it
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "3ffe::/16")
)
_MACHINES_OWN = (
    IPv4Network("169.254.0.0/16"),
    IPv4Network("168.63.129.16/32"),
    IPv6Network("fe80::/10"),
    IPv6Network("fd00:ec2::/32"),
)
_NAT64 = IPv6Network("64:ff9b::/96")


def read_address(text: str) -> Address | None:
    """Return the address that ``text`` spells in the usual way, None for a name. A zone (``%eth0``) makes it none."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def carried(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped or a NAT64 address, else ``address``."""
    if not isinstance(address, IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public internet: not private, loopback, link-local, a cloud's metadata
    service, multicast, reserved or a tunnel's."""
    address = carried(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_machines_own(address: Address) -> bool:
    """Say whether an address is link-local, as the services are that clouds have for each machine and its secrets."""
    address = carried(address)
    return any(address in network for network in _MACHINES_OWN if network.version == address.version)
