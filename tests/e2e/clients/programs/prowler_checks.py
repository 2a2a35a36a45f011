"""Run those of Prowler's own checks that the arguments name, over two Regions; print each [check, Region, verdict].

An argument with ``*`` at its end names all checks that begin so.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import prowler.providers.aws.services
from prowler.providers.aws.aws_provider import AwsProvider
from prowler.providers.common.models import Audit_Metadata
from prowler.providers.common.provider import Provider

REGIONS = {"us-east-1", "eu-west-1"}


def named(argument: str) -> list[str]:
    if not argument.endswith("*"):
        return [argument]
    folder = Path(next(iter(prowler.providers.aws.services.__path__))) / argument.partition("_")[0]
    return sorted(path.name for path in folder.glob(argument) if (path / f"{path.name}.py").exists())


def findings(check: str) -> list[tuple[str, str, str]]:
    service = check.partition("_")[0]
    module = importlib.import_module(f"prowler.providers.aws.services.{service}.{check}.{check}")
    reports: list[Any] = getattr(module, check)().execute()
    return [(check, report.region, report.status) for report in reports]


checks = [check for argument in sys.argv[1:] for check in named(argument)]
provider = AwsProvider(regions=REGIONS, scan_unused_services=True)
provider.audit_metadata = Audit_Metadata(
    services_scanned=1, expected_checks=checks, completed_checks=0, audit_progress=0
)
Provider.set_global_provider(provider)
print(json.dumps(sorted(finding for check in checks for finding in findings(check))))
