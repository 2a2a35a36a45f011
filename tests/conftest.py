"""What holds for every test: under CI nothing is skipped, because a test that cannot run proves nothing."""

import os
from collections.abc import Generator
from typing import Any

import pytest

from tests.support.postgres import postgres_server as postgres_server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CI, turn a skip into a failure that gives the skip's reason."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped under CI: {call.excinfo and call.excinfo.value}"
    return report
