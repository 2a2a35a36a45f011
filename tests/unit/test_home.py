"""The home folder keeps what is private, once, and belongs to one process."""

import os
from pathlib import Path

import pytest

from opentrail.clock import RandomIdentifiers
from opentrail.errors import HomeInUse, OperatorError
from opentrail.home import Home, write_private
from opentrail.sealing import SealBroken


def a_home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_installation_id_and_master_key_are_made_once(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    identity = home.installation_id(RandomIdentifiers())
    sealed = home.sealer().seal(b"secret", "a key")

    again = Home(home.path)

    assert again.installation_id(RandomIdentifiers()) == identity
    assert again.sealer().unseal(sealed, "a key") == b"secret"


def test_everything_private_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    home.sealer()
    home.installation_id(RandomIdentifiers())

    modes = {path.name: path.stat().st_mode & 0o777 for path in (home.path, *home.path.iterdir())}

    assert all(mode & 0o077 == 0 for mode in modes.values()), modes


def test_a_sealed_secret_opens_only_in_its_own_context(tmp_path: Path) -> None:
    sealer = a_home(tmp_path).sealer()
    sealed = sealer.seal(b"secret", "AKIA1")

    with pytest.raises(SealBroken):
        sealer.unseal(sealed, "AKIA2")
    with pytest.raises(SealBroken):
        sealer.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), "AKIA1")


def test_a_second_process_cannot_hold_the_home(tmp_path: Path) -> None:
    home = a_home(tmp_path)

    with home.lock(), pytest.raises(HomeInUse, match="held by a running opentrail"), Home(home.path).lock():
        pass


def test_what_a_stopped_server_left_is_not_taken_for_a_running_one(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    write_private(home.serving_file, b'{"gateway_url":"http://127.0.0.1:1"}')

    assert home.serving() is None
    with home.lock():
        assert home.serving() == {"gateway_url": "http://127.0.0.1:1"}


def test_a_damaged_master_key_is_an_operator_error(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    (home.path / "master.key").write_bytes(b"short")

    with pytest.raises(OperatorError, match="damaged"):
        home.sealer()


def test_what_is_written_after_prepare_is_private_even_in_a_folder_open_to_others(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        (tmp_path / "home").mkdir(mode=0o755)
        home = a_home(tmp_path)
        (home.path / "file").write_text("x")
        (home.path / "folder").mkdir()

        assert (home.path / "file").stat().st_mode & 0o077 == 0
        assert (home.path / "folder").stat().st_mode & 0o077 == 0
    finally:
        os.umask(before)


def test_a_private_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "ready.new").symlink_to(victim)

    write_private(tmp_path / "ready", b"content")

    assert victim.read_text() == "precious"
    assert (tmp_path / "ready").read_bytes() == b"content"
    assert (tmp_path / "ready").stat().st_mode & 0o777 == 0o600
