"""CloudTrail (2013-11-01): trails, selectors, tags, Event history, public keys, event data stores and channels."""

from opentrail.aws.cloudtrail.channels import create_channel, delete_channel, get_channel, list_channels, update_channel
from opentrail.aws.cloudtrail.delegated_administrators import (
    deregister_organization_delegated_admin,
    register_organization_delegated_admin,
)
from opentrail.aws.cloudtrail.event_configuration import get_event_configuration, put_event_configuration
from opentrail.aws.cloudtrail.event_data_stores import (
    create_event_data_store,
    delete_event_data_store,
    get_event_data_store,
    list_event_data_stores,
    restore_event_data_store,
    start_event_data_store_ingestion,
    stop_event_data_store_ingestion,
    update_event_data_store,
)
from opentrail.aws.cloudtrail.imports import (
    get_import,
    list_import_failures,
    list_imports,
    prepare_start_import,
    start_import,
    stop_import,
)
from opentrail.aws.cloudtrail.insight_selectors import (
    check_put_insight_selectors,
    get_insight_selectors,
    prepare_put_insight_selectors,
    put_insight_selectors,
)
from opentrail.aws.cloudtrail.lookup import check_lookup_events, lookup_events
from opentrail.aws.cloudtrail.permissions import requirements
from opentrail.aws.cloudtrail.public_keys import list_public_keys
from opentrail.aws.cloudtrail.queries import (
    cancel_query,
    check_list_queries,
    check_page_size,
    describe_query,
    get_query_results,
    list_queries,
    start_query,
)
from opentrail.aws.cloudtrail.resource_policies import (
    delete_resource_policy,
    get_resource_policy,
    put_resource_policy,
)
from opentrail.aws.cloudtrail.sample_queries import search_sample_queries
from opentrail.aws.cloudtrail.selectors import check_put_event_selectors, get_event_selectors, put_event_selectors
from opentrail.aws.cloudtrail.tags import add_tags, list_tags, remove_tags
from opentrail.aws.cloudtrail.trails import (
    create_trail,
    delete_trail,
    describe_trails,
    get_trail,
    get_trail_status,
    list_trails,
    prepare_create_trail,
    prepare_update_trail,
    start_logging,
    stop_logging,
    update_trail,
)
from opentrail.aws.lake_policies import own_resource_policy
from opentrail.aws.service import Handler, Service

SERVICE = Service(
    name="cloudtrail",
    handlers={
        "AddTags": Handler(add_tags, is_change=True),
        "CreateChannel": Handler(create_channel, is_change=True),
        "CreateEventDataStore": Handler(create_event_data_store, is_change=True),
        "CreateTrail": Handler(create_trail, is_change=True, prepare=prepare_create_trail),
        "DeleteChannel": Handler(delete_channel, is_change=True),
        "DeleteEventDataStore": Handler(delete_event_data_store, is_change=True),
        "DeleteResourcePolicy": Handler(delete_resource_policy, is_change=True),
        "DeleteTrail": Handler(delete_trail, is_change=True),
        "DeregisterOrganizationDelegatedAdmin": Handler(deregister_organization_delegated_admin, is_change=True),
        "DescribeTrails": Handler(describe_trails),
        "GetChannel": Handler(get_channel),
        "GetEventConfiguration": Handler(get_event_configuration),
        "GetEventDataStore": Handler(get_event_data_store),
        "GetEventSelectors": Handler(get_event_selectors),
        "GetImport": Handler(get_import),
        "GetInsightSelectors": Handler(get_insight_selectors),
        "GetResourcePolicy": Handler(get_resource_policy),
        "GetTrail": Handler(get_trail),
        "GetTrailStatus": Handler(get_trail_status),
        "ListChannels": Handler(list_channels),
        "ListEventDataStores": Handler(list_event_data_stores, check=check_page_size),
        "ListImportFailures": Handler(list_import_failures),
        "ListImports": Handler(list_imports),
        "CancelQuery": Handler(cancel_query),
        "DescribeQuery": Handler(describe_query),
        "GetQueryResults": Handler(get_query_results, check=check_page_size),
        "ListQueries": Handler(list_queries, check=check_list_queries),
        "StartQuery": Handler(start_query),
        "ListPublicKeys": Handler(list_public_keys),
        "ListTags": Handler(list_tags),
        "ListTrails": Handler(list_trails),
        "LookupEvents": Handler(lookup_events, check=check_lookup_events),
        "PutEventConfiguration": Handler(put_event_configuration, is_change=True),
        "PutEventSelectors": Handler(put_event_selectors, is_change=True, check=check_put_event_selectors),
        "PutInsightSelectors": Handler(
            put_insight_selectors,
            is_change=True,
            prepare=prepare_put_insight_selectors,
            check=check_put_insight_selectors,
        ),
        "PutResourcePolicy": Handler(put_resource_policy, is_change=True),
        "RegisterOrganizationDelegatedAdmin": Handler(register_organization_delegated_admin, is_change=True),
        "RemoveTags": Handler(remove_tags, is_change=True),
        "RestoreEventDataStore": Handler(restore_event_data_store, is_change=True),
        "SearchSampleQueries": Handler(search_sample_queries),
        "StartEventDataStoreIngestion": Handler(start_event_data_store_ingestion, is_change=True),
        "StartImport": Handler(start_import, is_change=True, prepare=prepare_start_import),
        "StartLogging": Handler(start_logging, is_change=True),
        "StopEventDataStoreIngestion": Handler(stop_event_data_store_ingestion, is_change=True),
        "StopImport": Handler(stop_import, is_change=True),
        "StopLogging": Handler(stop_logging, is_change=True),
        "UpdateChannel": Handler(update_channel, is_change=True),
        "UpdateEventDataStore": Handler(update_event_data_store, is_change=True),
        "UpdateTrail": Handler(update_trail, is_change=True, prepare=prepare_update_trail),
    },
    requirements=requirements,
    own_resource_policy=own_resource_policy,
)
