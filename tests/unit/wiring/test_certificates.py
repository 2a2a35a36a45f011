"""CA files that settings name are tried when they are read."""

from pathlib import Path

import pytest

from opentrail.errors import SettingsError
from opentrail.wiring.certificates import check_ca_bundle
from tests.support.tls import make_authority


def test_a_file_of_certificates_or_none_is_taken(tmp_path: Path) -> None:
    check_ca_bundle("upstream.ca_bundle", str(make_authority(tmp_path, "127.0.0.1").ca_file))
    check_ca_bundle("upstream.ca_bundle", "")


def test_any_other_file_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")

    with pytest.raises(SettingsError, match=r"upstream\.ca_bundle .*not a PEM file"):
        check_ca_bundle("upstream.ca_bundle", str(path))
