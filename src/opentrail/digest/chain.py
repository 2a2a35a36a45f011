"""When digests are due. A chain is the digests of one trail, account and Region, back to back:

```
 start ---(end 1)---(end 2)---------------------(end 5)---(end 6)--] final
        interval           an outage: one digest over
                           the marks that passed
```
Each digest starts where the one before ended; ends are whole seconds, strictly increasing, and keep the second at which
the chain started.
"""

from datetime import datetime, timedelta

SECOND = timedelta(seconds=1)


def digest_due(
    start: datetime, interval: timedelta, now: datetime, waited: timedelta = timedelta(0)
) -> datetime | None:
    """Return the end of the digest that starts at ``start`` once it is due, else None.

    After an outage it is the last mark that passed, so that one digest covers all of it. ``interval`` counts in whole
    seconds, rounded up. While the clock stands before ``start``, having been set back, a digest of one second at least
    is due whenever the chain ``waited`` an interval: ends still increase, and files are still digested within one.
    """
    step = timedelta(seconds=-(-interval // SECOND))
    if now < start:
        return start + SECOND if waited >= step else None
    marks = (now - start) // step
    return start + marks * step if marks >= 1 else None


def final_end(start: datetime, now: datetime) -> datetime:
    """Return the end of the digest that closes a chain now: the next whole second, and past ``start``."""
    return max(ceil_second(now), start + SECOND)


def floor_second(moment: datetime) -> datetime:
    """Return the whole second that ``moment`` is in."""
    return moment.replace(microsecond=0)


def ceil_second(moment: datetime) -> datetime:
    """Return ``moment`` when it is a whole second, else the next one."""
    whole = floor_second(moment)
    return whole if whole == moment else whole + SECOND
