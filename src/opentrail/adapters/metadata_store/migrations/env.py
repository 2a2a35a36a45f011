"""Where Alembic enters: runs the migrations on the connection that ``migrations.upgrade`` hands over."""

from alembic import context

from opentrail.adapters.metadata_store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
