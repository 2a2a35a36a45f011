"""File descriptors: raised to what the system grants, and shared out so that callers cannot take the journal's."""

import resource

WANTED = 9216
"""Enough for 2048 clients of the gateway, each with a connection upstream, 1024 of the API, and RESERVED."""

RESERVED = 512
"""For journal, Event history, metadata, archives, deliveries and logs."""


def claim_descriptors() -> int:
    """Raise this process's soft limit to WANTED, as far as the hard limit lets; return the limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return WANTED if soft == resource.RLIM_INFINITY else soft


def share_of(limit: int, most: int) -> int:
    """Return how many connections one listener may hold: ``most``, or a quarter of what ``limit`` leaves over RESERVED
    (a client of the gateway takes two descriptors, one of the API takes one)."""
    return max(16, min(most, (limit - RESERVED) // 4))
