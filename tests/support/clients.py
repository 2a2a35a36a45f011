"""Other people's clients, where they are installed, and what happens when they are not."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def require_aws_cli() -> str:
    """Return the AWS CLI's path; without one the test is skipped, and fails under CI."""
    candidates = (os.environ.get("OPENTRAIL_AWS_CLI", ""), str(ROOT / ".venv-clients" / "bin" / "aws"))
    for candidate in candidates:
        if candidate and shutil.which(candidate):
            return candidate
    if os.environ.get("CI"):
        pytest.fail("the AWS CLI is missing: make setup-clients")
    pytest.skip("the AWS CLI is not installed: make setup-clients")


LIBRARIES = ROOT / ".venv-libraries" / "bin"
JS_CLIENT = ROOT / "tests" / "e2e" / "clients" / "js"


def require_library(program: str) -> str:
    """Return the path of ``python``, ``node`` or ``ansible-playbook`` among the other clients; without them the test is
    skipped, and fails under CI."""
    found = LIBRARIES / program
    if found.exists() and (program != "node" or (JS_CLIENT / "node_modules" / ".ready").exists()):
        return str(found)
    if os.environ.get("CI"):
        pytest.fail(f"{program} is missing: make setup-all-clients")
    pytest.skip(f"{program} is not installed: make setup-all-clients")
