"""Faults of the machine and of what it talks to: disk, clock, endpoints."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from opentrail.admin.doctor.findings import Fault, Finding
from opentrail.clock import Clock
from opentrail.ports import Unavailable
from opentrail.ports.host import Host

FREE_SHARE = 0.05
FREE_BYTES = 1_000_000_000
"""A disk with less than this share free, and less than these bytes, will soon take no more calls."""

SKEW = timedelta(seconds=60)
"""A fifth of what signatures allow; CloudTrail's own event times are good to a second."""


async def check_disk(host: Host) -> AsyncIterator[Finding]:
    """Yield whether the home's disk runs out of bytes or inodes."""
    try:
        disk = await host.disk()
    except Unavailable as error:
        yield Finding(Fault.DISK_SPACE, "disk", str(error), "see that the home's disk is mounted")
        return
    if disk.free_bytes < FREE_BYTES and disk.free_bytes < FREE_SHARE * disk.total_bytes:
        problem = f"the home's disk has {disk.free_bytes / 1e6:.0f} MB left: calls are refused once it is full"
        yield Finding(Fault.DISK_SPACE, "disk", problem, "df -h; make room, or move the home to a larger disk")
    if disk.total_inodes and disk.free_inodes < FREE_SHARE * disk.total_inodes:
        problem = f"the home's disk has {disk.free_inodes} of {disk.total_inodes} inodes left"
        yield Finding(Fault.DISK_INODES, "disk", problem, "df -i; remove small files, or move the home")


async def check_endpoints(host: Host, clock: Clock, endpoints: Mapping[str, str]) -> AsyncIterator[Finding]:
    """Yield which ``endpoints`` (URLs by the setting that names them) do not answer, and whose clock is not ours."""
    for name, url in endpoints.items():
        before = clock.now()
        try:
            theirs = await host.peer_time(url)
        except Unavailable as error:
            yield Finding(Fault.ENDPOINT, name, str(error), f"start it, or set {name} to where it is")
            continue
        if theirs is None:
            continue
        after = clock.now()
        skew = max(before - theirs, theirs - after)
        if skew > SKEW:
            problem = f"this machine's clock and that of {url} differ by {skew.total_seconds():.0f} s"
            yield Finding(Fault.CLOCK, name, problem, "timedatectl set-ntp true, on the machine that is wrong")
