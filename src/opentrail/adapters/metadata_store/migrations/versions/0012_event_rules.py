"""Event buses, their rules, and the invocations of the rules' targets."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "event_buses",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_event_buses"),
    )
    op.create_index("ix_event_buses_account_id_region", "event_buses", ["account_id", "region"])
    op.create_table(
        "event_rules",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("bus_arn", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_event_rules"),
    )
    op.create_index("ix_event_rules_bus_arn_name", "event_rules", ["bus_arn", "name"])
    op.create_table(
        "rules_in_force",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_rules_in_force"),
    )
    op.create_table(
        "rules_reader",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("cursor", _text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_rules_reader_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_rules_reader"),
    )
    _invocations()


def _invocations() -> None:
    op.create_table(
        "invocations",
        sa.Column("invocation_id", _text(), nullable=False),
        sa.Column("destination", _text(), nullable=False),
        sa.Column("rule_arn", _text(), nullable=False),
        sa.Column("target_id", _text(), nullable=False),
        sa.Column("target", sa.LargeBinary(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.Column("matched_at", _text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failure", _text(), nullable=False),
        sa.Column("postponed_until", _text()),
        sa.PrimaryKeyConstraint("invocation_id", name="pk_invocations"),
    )
    op.create_index(
        "ix_invocations_destination_postponed_until_matched_at",
        "invocations",
        ["destination", "postponed_until", "matched_at"],
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
