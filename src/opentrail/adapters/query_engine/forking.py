"""The host's own side: a process that has loaded what queries need, and is forked for each of them.

It has one thread, so that a fork is whole, and ends with all its children when the server's end of its socket does.
"""

import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from opentrail.adapters.query_engine.frames import ORDER_BYTES, START, unpack_order

Work = Callable[[BinaryIO, BinaryIO], None]
"""What a fork does with what it is told and what it answers, before it ends."""

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


def serve_forks(orders: socket.socket, work: Work, when_idle: Callable[[], None]) -> None:
    """Carry out orders until the other end is gone. ``when_idle`` is called once, when a first fork has ended."""
    _Host(orders, work, when_idle).serve()


class _Host:
    """The forks that run, by process id."""

    def __init__(self, orders: socket.socket, work: Work, when_idle: Callable[[], None]) -> None:
        self._orders = orders
        self._work = work
        self._when_idle: Callable[[], None] | None = when_idle
        self._numbers: dict[int, int] = {}
        self._woken, self._waker = socket.socketpair()

    def serve(self) -> None:
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the server's to answer
        gc.collect()
        gc.freeze()  # what forks share stays shared
        with selectors.DefaultSelector() as selector, suppress(ConnectionError):
            selector.register(self._orders, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    self._reap()
                if self._orders in ready and not self._carry_out():
                    break
        for pid in self._numbers:
            os.kill(pid, signal.SIGKILL)

    def _carry_out(self) -> bool:
        """Carry out one order; say whether there may be more."""
        order, descriptors, _, _ = socket.recv_fds(self._orders, ORDER_BYTES, 1)
        if len(order) < ORDER_BYTES:
            return False
        kind, number = unpack_order(order)
        if kind == START:
            host = os.getpid()  # here: a fork whose host is already killed would take its new parent for it
            pid = os.fork()
            if not pid:
                self._run(descriptors[0], host)
            os.close(descriptors[0])
            self._numbers[pid] = number
        else:
            for pid in [pid for pid, known in self._numbers.items() if known == number]:
                os.kill(pid, signal.SIGKILL)
        return True

    def _run(self, descriptor: int, host: int) -> None:
        """Do the work of a fork of the process ``host``, and end it whatever happens."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in (self._orders, self._woken, self._waker):
                one.close()
            _end_with_parent(host)
            with open(descriptor, "rb", closefd=False) as told, open(descriptor, "wb", closefd=False) as answers:
                self._work(told, answers)
        finally:
            os._exit(0)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(64):
                pass
        while self._numbers:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            self._orders.sendall(self._numbers.pop(pid).to_bytes(4, "big"))
        if not self._numbers and self._when_idle is not None:
            self._when_idle()
            self._when_idle = None


def _end_with_parent(host: int) -> None:
    """Have this process killed when its host is; elsewhere than on Linux it ends with the next page that it writes."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != host:
            os._exit(1)
