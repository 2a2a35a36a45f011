"""A throwaway PostgreSQL server for tests: started once per test process, removed at its end."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import psycopg.sql
import pytest


@dataclass(frozen=True)
class PostgresServer:
    """A running server that listens on a Unix socket in ``folder`` alone."""

    folder: Path
    user: str

    def new_database(self, name: str) -> str:
        """Create an empty database with a locale of its own, and return its URL."""
        with psycopg.connect(host=str(self.folder), user=self.user, dbname="postgres", autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return f"postgresql://{self.user}@/{name}?host={quote(str(self.folder))}"

    def drop_database(self, name: str) -> None:
        """Remove a database, also while something is connected to it."""
        statement = psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name))
        with psycopg.connect(host=str(self.folder), user=self.user, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for the whole test process; skips without PostgreSQL, but fails where CI is set."""
    initdb, postgres = _program("initdb"), _program("pg_ctl")
    if initdb is None or postgres is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL (initdb, pg_ctl) is not installed")
        pytest.skip("PostgreSQL (initdb, pg_ctl) is not installed")
    # Unix socket paths end at 107 bytes, so the folder is right below /tmp.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        folder = Path(name)
        user = _unprivileged_user()
        shutil.chown(folder, user)
        data = folder / "data"
        _run(user, initdb, "-D", data, "-U", user, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c max_connections=60"
        _run(user, postgres, "-D", data, "-o", options, "-l", folder / "log", "-w", "-t", "60", "start")
        try:
            yield PostgresServer(folder, user)
        finally:
            _run(user, postgres, "-D", data, "-m", "immediate", "-w", "stop")


def _program(name: str) -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)  # Debian keeps them off the PATH
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))


def _unprivileged_user() -> str:
    """Return who runs the server: ourselves, or, because it refuses to run as root, somebody without rights."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(user: str, *command: str | Path) -> None:
    become = user if os.getuid() == 0 else None
    # The server outlives pg_ctl, so it must not inherit a pipe that somebody waits on: output goes to a file.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=become,
            group=pwd.getpwnam(user).pw_gid if become else None,
            extra_groups=[] if become else None,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            check=False,
            timeout=120,
        )
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{command[0]} failed:\n{output.read().decode(errors='replace')}")
