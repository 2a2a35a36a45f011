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
