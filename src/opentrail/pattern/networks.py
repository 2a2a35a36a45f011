"""Networks of event patterns and filter policies: ``address/bits``."""

from opentrail.pattern.values import InNetwork, address_of

_BITS = {4: 32, 6: 128}


class InvalidNetwork(ValueError):
    """A network that EventBridge refuses; the message is its reason."""


def parse_network(text: str) -> InNetwork:
    """Return the test for the addresses of ``text``, whose host bits do not count. Raises InvalidNetwork.

    A network of one address (/32, /128) is refused: EventBridge wants the address itself there.
    """
    parts = text.split("/")
    if len(parts) != 2:
        raise InvalidNetwork("Malformed CIDR, one '/' required")
    if not (parts[1].isascii() and parts[1].lstrip("-").isdigit()) or len(parts[1]) > 10:
        raise InvalidNetwork("Malformed CIDR, mask bits must be an integer")
    address = address_of(parts[0])
    if address is None:
        raise InvalidNetwork(f"Nonstandard IP address: {parts[0]}")
    version, number = address
    bits, all_bits = int(parts[1]), _BITS[version]
    if bits >= all_bits:
        raise InvalidNetwork(f"IPv{version} mask bits must be < {all_bits}")
    if bits < 0:
        raise InvalidNetwork("Malformed CIDR, mask bits must not be negative")
    hosts = (1 << (all_bits - bits)) - 1
    return InNetwork(version, number & ~hosts, number | hosts)
