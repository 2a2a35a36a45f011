"""CloudTrail Data (2021-08-11): events of one's own applications, into the lake through a channel."""

from opentrail.aws.cloudtrail_data.put_audit_events import keeps_constraints, put_audit_events, requirements
from opentrail.aws.lake_policies import own_resource_policy
from opentrail.aws.service import Handler, Service

SERVICE = Service(
    name="cloudtrail-data",
    handlers={"PutAuditEvents": Handler(put_audit_events, keeps_constraints=keeps_constraints)},
    requirements=requirements,
    own_resource_policy=own_resource_policy,
)
