"""How the interpreter runs in a process that serves: when threads take turns, when garbage is looked for, and what is
not loaded."""

import ctypes
import gc
import sys
from contextlib import suppress
from importlib.abc import MetaPathFinder

SWITCH_SECONDS = 0.0002
"""How long one thread may keep the interpreter's lock from another. The journal's thread asks for it after every
commit, and under the default of 5 ms callers waited longer for the lock than for the disk."""

YOUNG_OBJECTS = 20_000
"""Containers made and not freed before the collector looks at them: some hundred calls' worth, about 2 MB."""

UNUSED = ("numpy", "pandas")
"""What Arrow loads when it happens to be installed, and nothing here uses: 60 MB and a second of processor time."""


class _Unused(MetaPathFinder):
    """Finds none of UNUSED. (A None in ``sys.modules`` would do for Python's imports, but compiled ones take it for the
    module: Arrow's first table then failed with an AttributeError.)"""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname.partition(".")[0] in UNUSED:
            raise ModuleNotFoundError(f"{fullname} is not loaded in a process that serves", name=fullname)


def leave_out_unused() -> None:
    """Have this process do without UNUSED; call it before anything else is loaded that could load them."""
    sys.meta_path.insert(0, _Unused())


_M_ARENA_MAX = -8


def share_one_arena() -> None:
    """Have all threads of this process allocate from one pool; call it before there are any. With a pool for each the
    server's thirty threads hold on to some 20 MB, and as the interpreter's lock lets one run at a time they seldom wait
    for each other. Does nothing where the C library has no way to."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_memory_back() -> None:
    """Return to the system what the C library's allocator holds and nobody uses, which the start leaves behind: the
    texts of service models. Does nothing where that library has no way to."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def freeze_loaded_objects() -> None:
    """Have the garbage collector look no more at what is there now; call it after much was loaded that stays. What is
    given up later is freed all the same, but for cycles."""
    gc.collect()
    gc.freeze()


def tune_interpreter() -> None:
    """Set both for this process; call it once, when everything that stays has been loaded."""
    sys.setswitchinterval(SWITCH_SECONDS)
    freeze_loaded_objects()
    give_memory_back()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
