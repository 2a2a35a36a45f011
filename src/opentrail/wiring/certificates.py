"""Certificates that settings name, tried before anything depends on them."""

import ssl

from opentrail.errors import SettingsError


def check_ca_bundle(setting: str, path: str) -> None:
    """Make sure that a PEM file of CAs can be used; raises SettingsError. "" stands for the system's CAs."""
    try:
        if path:
            ssl.create_default_context(cafile=path)
    except OSError as error:
        raise SettingsError(f"{setting} = {path}: not a PEM file of certificates: {error}") from error
