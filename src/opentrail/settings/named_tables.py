"""Settings of which there may be any number, each by a name of its own: ``witness.<name>.<setting>``."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from opentrail.errors import SettingsError
from opentrail.settings.values import unknown_name


@dataclass(frozen=True)
class NamedTables:
    """One sort of such settings: ``prefix`` with its dot, ``what`` one is called, and the dataclass that has the
    settings. ``example`` is a name that is right."""

    prefix: str
    what: str
    table: type[Any]
    is_name: Callable[[str], bool]
    example: str

    def setting_of(self, variable: str, prefix: str) -> str:
        """Return the name of the setting that a variable is: the longest that fits. Raises SettingsError."""
        rest = variable.removeprefix(prefix).lower()
        known = sorted((entry.name for entry in fields(self.table)), key=len, reverse=True)
        for name in known:
            if rest.endswith(f"_{name}"):
                return f"{self.prefix}{rest.removesuffix(f'_{name}').replace('_', '-')}.{name}"
        raise unknown_name(f"the variable {variable} is no setting of a {self.what}", rest.rpartition("_")[2], known)

    def read(self, name: str, value: object, origin: str) -> tuple[str, str, Any]:
        """Return whose setting ``name`` is, which one, and its value. Raises SettingsError and ValueError."""
        owner, _, chosen = name.removeprefix(self.prefix).rpartition(".")
        entries = {entry.name: entry for entry in fields(self.table)}
        if not self.is_name(owner):
            raise SettingsError(
                f"{name} ({origin}): a {self.what} is named by a-z, 0-9 and hyphens, as in {self.prefix}{self.example}"
            )
        if chosen not in entries:
            raise unknown_name(f"unknown setting {name} in {origin}", chosen, entries)
        return owner, chosen, entries[chosen].metadata["read"](value)
