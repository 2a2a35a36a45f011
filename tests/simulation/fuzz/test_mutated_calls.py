"""Mutated calls never crash, hang or grow memory: a bounded number in every run, a million under ``simulate``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _run(seed: int, calls: int) -> str:
    """Run in a process of its own, so that what it measures is its own."""
    command = [sys.executable, "-m", "tests.simulation.fuzz.runner", "--seed", str(seed), "--calls", str(calls)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([*command, "--report-every", "0"], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert run.returncode == 0, run.stderr[-6000:] + run.stdout[-2000:]
    print(run.stdout)
    return run.stdout


def test_ten_thousand_mutated_calls_neither_crash_nor_hang_nor_grow_memory() -> None:
    report = _run(seed=1, calls=10_000)

    assert report.startswith("10,000 calls")
    assert "parsed" in report
    assert "malformed" in report


@pytest.mark.simulate
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_a_million_mutated_calls_in_four_runs_neither_crash_nor_hang_nor_grow_memory(seed: int) -> None:
    assert _run(seed, calls=250_000).startswith("250,000 calls")
