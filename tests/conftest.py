"""What holds for every test: how it logs, whether it is slow, and that under CI a test that cannot run has failed."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import structlog

from opentrail.wiring.logs import format_exception
from tests.support.postgres import postgres_server as postgres_server

TESTS = Path(__file__).parent
SLOW_PLACES = (
    "conformance/digests/test_aws_verifier.py",
    "conformance/gateway/test_clients.py",
    "conformance/gateway/test_crashes.py",
    "conformance/gateway/test_http2_crashes.py",
    "conformance/gateway/test_streaming.py",
    "conformance/lake_sql",
    "conformance/manipulations",
    "conformance/patterns/test_sql.py",
    "conformance/protocols/test_botocore_clients.py",
    "conformance/records",
    "conformance/wire",
    "conformance/witnesses",
    "simulation",
    "unit/adapters/key_names/test_upstream.py",
    "unit/adapters/lake_table/test_history.py",
    "unit/adapters/metadata_store/test_database.py",
    "unit/adapters/notices/test_sns.py",
    "unit/adapters/object_store/test_crashes.py",
    "unit/adapters/object_store/test_s3",
    "unit/adapters/query_engine",
    "unit/adapters/signer/test_kms.py",
    "unit/adapters/targets/test_aws.py",
    "unit/adapters/witness/test_s3_bucket.py",
)
"""Folders and files whose tests start servers and clients, kill processes, or ask an engine thousands of times: ``make
slow``, not ``make test``."""

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.ExceptionRenderer(format_exception),
        structlog.processors.KeyValueRenderer(),
    ]
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what belongs to ``make slow``: the slow places, and each suite's run on PostgreSQL."""
    for item in items:
        if item.get_closest_marker("e2e") or item.get_closest_marker("simulate"):
            continue
        place = item.path.relative_to(TESTS).as_posix()
        parameters = (
            item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
        )
        if place.startswith(SLOW_PLACES) or "postgresql" in parameters:
            item.add_marker(pytest.mark.slow)


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
