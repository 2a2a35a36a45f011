"""Keys of the key ring, the versions of their material, and their aliases."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("key_id", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("created_at", _text(), nullable=False),
        sa.Column("policy", _text(), nullable=False),
        sa.Column("state", _text(), nullable=False),
        sa.Column("description", _text(), nullable=False),
        sa.Column("tags", _text(), nullable=False),
        sa.Column("deletion_at", _text()),
        sa.Column("rotation_period_days", sa.Integer(), nullable=False),
        sa.Column("next_rotation_at", _text()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_keys"),
    )
    op.create_index("ix_keys_account_id_region_key_id", "keys", ["account_id", "region", "key_id"])
    op.create_index("ix_keys_deletion_at", "keys", ["deletion_at"])
    op.create_index("ix_keys_next_rotation_at", "keys", ["next_rotation_at"])
    op.create_table(
        "key_versions",
        sa.Column("key_id", _text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed_material", sa.LargeBinary(), nullable=False),
        sa.Column("material_id", _text(), nullable=False),
        sa.Column("rotated_at", _text(), nullable=False),
        sa.Column("is_on_demand", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "version", name="pk_key_versions"),
        sa.ForeignKeyConstraint(["key_id"], ["keys.key_id"], name="fk_key_versions_key_id"),
    )
    op.create_table(
        "key_aliases",
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("key_id", _text(), nullable=False),
        sa.Column("created_at", _text(), nullable=False),
        sa.Column("updated_at", _text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "region", "name", name="pk_key_aliases"),
        sa.ForeignKeyConstraint(["key_id"], ["keys.key_id"], name="fk_key_aliases_key_id"),
    )
    op.create_index("ix_key_aliases_key_id", "key_aliases", ["key_id"])


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
