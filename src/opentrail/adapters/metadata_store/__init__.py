"""Metadata in a SQL database: identities, trails, keys and the delivery log on SQLite (embedded) or PostgreSQL.

``open_database`` brings the schema up to date and gives a Database; the stores stand on it side by side. One schema
(``tables``), numbered migrations that only go forward (``migrations``), the same behaviour on both databases.
"""

from opentrail.adapters.metadata_store.alarms import SqlAlarms
from opentrail.adapters.metadata_store.api_destinations import SqlApiDestinations, SqlConnections
from opentrail.adapters.metadata_store.attestation_log import SqlAttestationLog
from opentrail.adapters.metadata_store.database import Database, MetadataUnusable, open_database
from opentrail.adapters.metadata_store.delivery_log import SqlDeliveryLog
from opentrail.adapters.metadata_store.event_data_stores import SqlEventDataStores
from opentrail.adapters.metadata_store.event_replays import SqlEventReplays
from opentrail.adapters.metadata_store.event_rules import SqlEventRules
from opentrail.adapters.metadata_store.identity_store import SqlIdentityStore
from opentrail.adapters.metadata_store.invocations import SqlInvocations
from opentrail.adapters.metadata_store.key_store import SqlKeyStore
from opentrail.adapters.metadata_store.lake_seals import SqlLakeSeals
from opentrail.adapters.metadata_store.log_groups import SqlLogGroups, SqlLogReaders
from opentrail.adapters.metadata_store.log_policies import SqlLogPolicies
from opentrail.adapters.metadata_store.notice_log import SqlNoticeLog
from opentrail.adapters.metadata_store.query_definitions import SqlQueryDefinitions
from opentrail.adapters.metadata_store.topics import SqlTopicStore
from opentrail.adapters.metadata_store.trail_guards import SqlTrailGuards
from opentrail.adapters.metadata_store.trail_store import SqlTrailStore

__all__ = [
    "Database",
    "MetadataUnusable",
    "SqlAlarms",
    "SqlApiDestinations",
    "SqlAttestationLog",
    "SqlConnections",
    "SqlDeliveryLog",
    "SqlEventDataStores",
    "SqlEventReplays",
    "SqlEventRules",
    "SqlIdentityStore",
    "SqlInvocations",
    "SqlKeyStore",
    "SqlLakeSeals",
    "SqlLogGroups",
    "SqlLogPolicies",
    "SqlLogReaders",
    "SqlNoticeLog",
    "SqlQueryDefinitions",
    "SqlTopicStore",
    "SqlTrailGuards",
    "SqlTrailStore",
    "open_database",
]
