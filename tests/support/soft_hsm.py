"""A PKCS#11 token of SoftHSM2 (Debian package softhsm2)."""

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from opentrail.adapters.signer.pkcs11 import Token

PIN = "73918264"
LABEL = "audit"
_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


def soft_hsm_module() -> str:
    """Return SoftHSM2's library; skips the test, which fails under CI, when it is not installed."""
    found = next((path for path in _MODULES if Path(path).exists()), "")
    if not found or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 is not installed: scripts/install-packages test")
    return found


@cache
def soft_hsm_token() -> Token:
    """Return an initialized token, one for the process: the library reads its configuration and tokens only once."""
    module = soft_hsm_module()
    folder = Path(tempfile.mkdtemp(prefix="softhsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    pins = ("--pin", PIN, "--so-pin", PIN)
    command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, *pins]
    subprocess.run(command, check=True, capture_output=True)
    return Token(module, LABEL, PIN)
