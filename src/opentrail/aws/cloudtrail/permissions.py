"""What a caller must be allowed for each CloudTrail operation: ``cloudtrail:<Operation>`` on the trail it names."""

from opentrail.arn import Arn, partition_of
from opentrail.aws.service import Call, Requirement
from opentrail.lakesql.errors import InvalidStatement
from opentrail.protocol import Parameters
from opentrail.query.lake_queries import references

_WITHOUT_RESOURCE = frozenset(
    {
        "DescribeTrails",
        "ListImports",
        "ListChannels",
        "ListEventDataStores",
        "ListTrails",
        "ListPublicKeys",
        "LookupEvents",
        "SearchSampleQueries",
    }
)
"""Operations whose permission no resource narrows (AWS's service authorization reference for CloudTrail)."""

_JUDGED_BY_QUERY = frozenset({"CancelQuery", "DescribeQuery", "GetQueryResults"})
"""Operations on the event data stores of a query, which only their handlers know: they ask for the permission."""

_NAMING_MEMBERS = (
    ("Name", "trail"),
    ("TrailName", "trail"),
    ("ResourceId", "trail"),
    ("ResourceArn", "eventdatastore"),
    ("EventDataStore", "eventdatastore"),
)
"""Which member names the resource, and what kind a name that is no ARN means."""


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs; ListTags needs its action on each resource it asks about."""
    action = f"cloudtrail:{call.operation.name}"
    context = _tag_context(call.parameters)
    if call.operation.name in _WITHOUT_RESOURCE:
        return (Requirement(action, "*", context),)
    if call.operation.name in _JUDGED_BY_QUERY:
        return ()
    if call.operation.name == "StartImport":
        return tuple(Requirement(action, arn, context) for arn in _imported_into(call))
    if call.operation.name == "StartQuery":
        return tuple(Requirement(action, arn, context) for arn in _queried(call))
    if call.operation.name == "ListTags":
        return tuple(Requirement(action, arn, context) for arn in call.parameters["ResourceIdList"] or ("*",))
    return (Requirement(action, _resource(call), context), *_passed_role(call))


def _passed_role(call: Call) -> tuple[Requirement, ...]:
    """Return the leave to hand CloudTrail the role that a trail delivers to its log group with."""
    role = call.parameters.get("CloudWatchLogsRoleArn", "") if call.operation.name.endswith("Trail") else ""
    if not role:
        return ()
    return (Requirement("iam:PassRole", role, {"iam:PassedToService": ("cloudtrail.amazonaws.com",)}),)


def _imported_into(call: Call) -> tuple[str, ...]:
    """Return the event data store that an import is to bring events to. Whose a retried import is, its handler knows,
    which asks for the permission."""
    if "ImportId" in call.parameters:
        return ()
    given = call.parameters.get("Destinations") or ("*",)
    return tuple(one if one.startswith("arn:") else _arn(call, "eventdatastore", one) for one in given)


def _queried(call: Call) -> tuple[str, ...]:
    """Return the event data stores that a statement names, "*" when it names none that can be read."""
    try:
        names = references(call.parameters.get("QueryStatement", ""))
    except InvalidStatement:
        return ("*",)
    owner = call.parameters.get("EventDataStoreOwnerAccountId", call.account_id)
    found = (name if name.startswith("arn:") else _arn(call, "eventdatastore", name.lower(), owner) for name in names)
    return tuple(found) or ("*",)


_LAKE_MEMBERS = {"EventDataStore": ("EventDataStore", "eventdatastore"), "Channel": ("Channel", "channel")}
"""By what the operation's name ends with: which member names the resource, and of what kind it is."""


def _resource(call: Call) -> str:
    operation = call.operation.name.removesuffix("Ingestion")
    for ending, (member, kind) in _LAKE_MEMBERS.items():
        if operation.endswith(ending):
            named: str = call.parameters.get(member, "*")
            return named if named.startswith("arn:") else _arn(call, kind, named)
    for member, kind in _NAMING_MEMBERS:
        given: str = call.parameters.get(member, "")
        if given:
            return given if given.startswith("arn:") else _arn(call, kind, given)
    return "*"


def _arn(call: Call, kind: str, name: str, account_id: str = "") -> str:
    account_id = account_id or call.account_id
    return str(Arn(partition_of(call.region), "cloudtrail", call.region, account_id, f"{kind}/{name}"))


def _tag_context(parameters: Parameters) -> dict[str, tuple[str, ...]]:
    tags = parameters.get("TagsList", parameters.get("Tags", ()))
    if not tags:
        return {}
    context = {f"aws:RequestTag/{tag['Key']}": (tag.get("Value", ""),) for tag in tags}
    return context | {"aws:TagKeys": tuple(tag["Key"] for tag in tags)}
