"""The home folder: where one installation keeps what is its own, and the only module that knows its paths."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from opentrail.clock import Identifiers
from opentrail.errors import HomeInUse, OperatorError
from opentrail.sealing import MASTER_KEY_BYTES, Sealer

_PRIVATE = 0o600
_PRIVATE_UMASK = 0o077
_USER_ELSEWHERE = re.compile(r"(?P<account>\d{12})/(?P<name>[^/]+)", re.ASCII)


@dataclass(frozen=True)
class Home:
    """Paths of one installation. Everything in it is private to the user who runs Opentrail (folder mode 0700)."""

    path: Path

    @property
    def settings_file(self) -> Path:
        return self.path / "settings.toml"

    @property
    def owner_key_file(self) -> Path:
        return self.path / "owner-key.json"

    @property
    def serving_file(self) -> Path:
        """Written while a server holds the home: the same JSON as the ready file, with the process id."""
        return self.path / "serving.json"

    @property
    def fail_open_file(self) -> Path:
        """There from the start of a server that records fail-open until it has drained: after a crash it says that
        calls may be missing."""
        return self.path / "recording-fail-open"

    @property
    def lost_calls_file(self) -> Path:
        """There when a server stopped without storing every call it let pass: the next start puts the gap on record."""
        return self.path / "recording-lost-calls"

    def note_lost_calls(self) -> None:
        """Turn the mark of a running fail-open server into that of lost calls: a rename, which a full disk allows."""
        self.fail_open_file.rename(self.lost_calls_file)

    @property
    def control_socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    @property
    def history(self) -> Path:
        return self.path / "history"

    @property
    def lake(self) -> Path:
        """A folder for each event data store, named by its id."""
        return self.path / "lake"

    @property
    def log_groups(self) -> Path:
        """A folder for each log group that has events, named by its id."""
        return self.path / "log-groups"

    @property
    def event_archives(self) -> Path:
        """A file for each archive of an event bus that has events, named by its id."""
        return self.path / "event-archives"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.sqlite"

    @property
    def queries(self) -> Path:
        """A folder for each query of the lake, named by its id."""
        return self.path / "queries"

    @property
    def log_queries(self) -> Path:
        """A folder for each Logs Insights query, named by its id."""
        return self.path / "log-queries"

    @property
    def imports(self) -> Path:
        """A folder for each import, named by its id."""
        return self.path / "imports"

    @property
    def follows(self) -> Path:
        """A file of checkpoints for each bucket that is followed."""
        return self.path / "follows"

    @property
    def delegated_administrators(self) -> Path:
        """Accounts that the API registered to look after the organization."""
        return self.path / "delegated-administrators.json"

    @property
    def archives(self) -> Path:
        return self.path / "archives"

    @property
    def signing_keys(self) -> Path:
        return self.path / "signing-keys"

    @property
    def topic_key_file(self) -> Path:
        """The key that signs messages of topics, sealed, with its certificate."""
        return self.path / "topic-signing.json"

    @property
    def master_key_file(self) -> Path:
        return self.path / "master.key"

    @property
    def metadata_file(self) -> Path:
        return self.path / "metadata.sqlite"

    def user_key_file(self, user: str) -> Path:
        """Where ``opentrail keys create --save`` keeps a user's key. ``user`` is a user name, that of another account's
        stands behind the account: ``333333333333/dev``."""
        folder, elsewhere = self.path / "user-keys", _USER_ELSEWHERE.fullmatch(user)
        if elsewhere is not None:
            return folder / elsewhere["account"] / f"{elsewhere['name']}.json"
        return folder / f"{user.replace('/', '_')}.json"

    def prepare(self) -> None:
        """Make the folder, private; raises OperatorError when that is not possible.

        Whatever this process writes from now on is private too, also in a folder that was there and is open to others.
        """
        os.umask(_PRIVATE_UMASK)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in self._folders():
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"the home folder {self.path} cannot be made: {error.strerror}") from error

    def _folders(self) -> tuple[Path, ...]:
        stores = (
            self.journal,
            self.history,
            self.archives,
            self.lake,
            self.log_groups,
            self.event_archives,
            self.queries,
        )
        return (*stores, self.signing_keys)

    def installation_id(self, identifiers: Identifiers) -> str:
        """Return this installation's id, made once."""
        path = self.path / "installation.json"
        if not path.exists():
            write_private(path, orjson.dumps({"id": identifiers.uuid()}))
        return str(orjson.loads(path.read_bytes())["id"])

    def sealer(self) -> Sealer:
        """Return the sealer under this installation's master key, made once."""
        if not self.master_key_file.exists():
            write_private(self.master_key_file, os.urandom(MASTER_KEY_BYTES))
        return Sealer(*self._master_keys())

    def begin_master_key(self) -> None:
        """Have a new master key seal from now on, the present one kept beside it to open what it sealed; nothing is
        done where that was begun before. ``sealer`` gives one of both. Durable on return."""
        keys = self._master_keys()
        if len(keys) == 1:
            write_private(self.master_key_file, os.urandom(MASTER_KEY_BYTES) + keys[0])

    def finish_master_key(self) -> None:
        """Forget the former master key: nothing is sealed under it any more. Durable on return."""
        write_private(self.master_key_file, self._master_keys()[0])

    def _master_keys(self) -> list[bytes]:
        """Return the master key, and the former one while it is being changed."""
        content = self.master_key_file.read_bytes()
        if len(content) not in (MASTER_KEY_BYTES, 2 * MASTER_KEY_BYTES):
            raise OperatorError(
                f"{self.master_key_file} is damaged: restore it from a backup, without it no secret can be opened"
            )
        return [content[at : at + MASTER_KEY_BYTES] for at in range(0, len(content), MASTER_KEY_BYTES)]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the home for this process; raises HomeInUse when another does."""
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HomeInUse(f"{self.path} is held by a running opentrail; use its commands, or stop it") from error
            yield

    def serving(self) -> dict[str, object] | None:
        """Return what the running server wrote about itself, or None when no server holds the home."""
        with suppress(FileNotFoundError, NotADirectoryError):
            described: dict[str, object] = orjson.loads(self.serving_file.read_bytes())
            try:
                with self.lock():
                    return None
            except HomeInUse:
                return described
        return None


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, atomically and durably."""
    temporary = path.with_name(path.name + ".new")
    # A leftover, or a link that somebody put there, is never written through.
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
