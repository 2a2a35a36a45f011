"""How the interpreter runs in a process that serves: when threads take turns, and when garbage is looked for."""

import gc
import sys

SWITCH_SECONDS = 0.0002
"""How long one thread may keep the interpreter's lock from another. The journal's thread asks for it after every
commit, and under the default of 5 ms callers waited longer for the lock than for the disk."""

YOUNG_OBJECTS = 20_000
"""Containers made and not freed before the collector looks at them: some hundred calls' worth, about 2 MB."""


def tune_interpreter() -> None:
    """Set both for this process; call it once, when everything that stays has been loaded."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
