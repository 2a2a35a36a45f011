"""The seams: what the stages need from the world, in the stages' words. Adapters implement them.

Every port declares the errors it can raise; ``Unavailable`` is shared by all, for what is worth trying again.
"""


class PortError(Exception):
    """Any failure that a port declares."""


class Unavailable(PortError):
    """The technology behind a port did not answer, or is full; trying again later may help."""
