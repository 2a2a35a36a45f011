"""What every command costs before it does anything: none loads the libraries that only some of them need."""

import subprocess
import sys

HEAVY = {
    "alembic",
    "apprise",
    "boto3",
    "botocore",
    "deltalake",
    "duckdb",
    "moto",
    "pyarrow",
    "sigma",
    "sqlalchemy",
    "sqlglot",
    "starlette",
    "yaml",
}


def test_no_command_loads_what_only_others_need() -> None:
    asked = "import sys, opentrail.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"

    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()

    assert "opentrail" in loaded
    assert set(loaded) & HEAVY == set()
