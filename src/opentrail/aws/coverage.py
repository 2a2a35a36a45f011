"""Which operations of the services we speak are answered: the table in ``docs/coverage.md``, generated from the code.

``python -m opentrail.aws.coverage docs/coverage.md`` writes it, ``--check`` compares it; without a path it is printed.
"""

import argparse
import sys
from pathlib import Path

from opentrail.aws.services import SERVICES, SPOKEN
from opentrail.protocol.models import service_model

_HEADER = """\
# Coverage

Generated from the code by `python -m opentrail.aws.coverage docs/coverage.md`; a test checks that it is current.

An operation that is not answered yet gets its service's own error for an unsupported operation, never a stub's result.
The calls of all other services go through the gateway to their upstream and are recorded.
"""


def coverage_page() -> str:
    """Return the page: every operation of every service we speak, in the model's alphabetical order."""
    return "\n".join([_HEADER, *(_service_section(service) for service in SPOKEN)])


def _service_section(service: str) -> str:
    model = service_model(service)
    answered = SERVICES[service].handlers if service in SERVICES else {}
    operations = sorted(model.operation_names)
    rows = [f"| {operation} | {'yes' if operation in answered else 'not yet'} |" for operation in operations]
    title = f"## {service} ({model.api_version}): {len(answered)} of {len(operations)} operations"
    return "\n".join([title, "", "| Operation | Answered |", "|---|---|", *rows, ""])


def main() -> int:
    """Write the page to the path given, compare it or print it; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the table of the operations that are answered.")
    parser.add_argument("path", nargs="?", type=Path, help="where to write it; without a path it is printed")
    parser.add_argument("--check", action="store_true", help="only say whether the page at PATH is current")
    given = parser.parse_args()
    if given.path is None:
        sys.stdout.write(coverage_page())
    elif not given.check:
        given.path.write_text(coverage_page(), encoding="utf-8")
    elif given.path.read_text(encoding="utf-8") != coverage_page():
        sys.stderr.write(f"{given.path} is not current: make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
