"""Column types that behave alike on SQLite and PostgreSQL."""

from datetime import UTC, datetime

from sqlalchemy import Column, Dialect, String
from sqlalchemy.types import TypeDecorator, TypeEngine


def text() -> TypeEngine[str]:
    """Return a text type that orders by code point, as Python does; PostgreSQL would order by its locale."""
    return String().with_variant(String(collation="C"), "postgresql")


def moment_text(moment: datetime) -> str:
    """Return an aware datetime as a Moment is kept; raises ValueError on one that is not aware."""
    if moment.tzinfo is None:
        raise ValueError("a stored time must be aware")
    # strftime leaves out the leading zeros of years before 1000 on some systems; isoformat never does.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC text of fixed width (``2026-01-02T03:04:05.678901Z``) that sorts by time."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return dialect.type_descriptor(String(collation="C") if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else moment_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


def account_and_region() -> tuple[Column[str], Column[str]]:
    """Return the columns of what belongs to an account in a Region."""
    return Column("account_id", text(), nullable=False), Column("region", text(), nullable=False)
