"""Numbered schema migrations, only forward: version NNNN makes the schema of its release from the one before.

A version is never edited once released; it spells its columns out and imports nothing that may change.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest version inside the transaction that ``connection`` is in.

    The caller holds the lock that keeps a second upgrade out. Raises alembic.util.CommandError when the database is
    at a version that this release does not know.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
