"""A process that ends at the n-th step of its work on the disk; nothing of it runs on, not even its ``finally``."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class PowerCut(BaseException):
    """The process ended here."""


class Disk:
    """Counts the steps that alter names or flush files, and ends the process at step ``cut_at``: before it is done, or,
    with ``after``, when it is. None lets all of them pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, cut_at: int | None = None, after: bool = False) -> None:
        self.steps = 0
        self._cut_at = cut_at
        self._after = after
        self._is_cut = False
        for owner, name in (
            (os, "link"),
            (os, "fsync"),
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "mkdir"),
            (Path, "rename"),
        ):
            monkeypatch.setattr(owner, name, self._step(getattr(owner, name)))

    def _step(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **named: Any) -> Any:
            if self._is_cut:
                raise PowerCut
            self.steps += 1
            is_last = self.steps == self._cut_at
            if is_last and not self._after:
                self._is_cut = True
                raise PowerCut
            try:
                return work(*given, **named)
            finally:
                if is_last:
                    self._is_cut = True
                    raise PowerCut

        return step
