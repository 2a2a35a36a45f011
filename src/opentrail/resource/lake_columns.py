"""The columns of the lake's tables, by what an event data store holds (reference: lake-and-insights, section 2).

Column and struct member names are lower case, as in the published schema; a record's member belongs to the column whose
name it has in lower case. ``Json`` is free-form content, kept as the text of its JSON value and shown by Lake SQL as a
map. Every table ends with ``eventjson``, the whole record as it was recorded (with it, members that no column names),
its checksum, and columns of our own that start with an underscore.
"""

from dataclasses import dataclass
from enum import Enum

from opentrail.resource.event_data_store import EventDataStoreKind


class Scalar(Enum):
    """Types without parts. TIMESTAMP is UTC in microseconds, INTEGER has 64 bits."""

    TEXT = "text"
    JSON = "json"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    INTEGER = "integer"
    DOUBLE = "double"


@dataclass(frozen=True, slots=True)
class Struct:
    """Named members, each NULL where the record has none."""

    members: tuple["Column", ...]


@dataclass(frozen=True, slots=True)
class Array:
    """A list of one type."""

    item: "LakeType"


LakeType = Scalar | Struct | Array


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, or one member of a struct."""

    name: str
    type: LakeType


PARTITION_COLUMN = "calendarday"
"""The UTC day of ``eventtime`` as ``YYYY-MM-DD``; a table partition. The published schema does not show it."""

COMMIT_COLUMN = "_commit"
"""Number of the commit that brought the row; with INDEX_COLUMN it orders the leaves of the commit's tree."""

INDEX_COLUMN = "_index"
"""Place of the row among those of its commit and day, from 0."""

T, J, B, TS, INT, D = Scalar.TEXT, Scalar.JSON, Scalar.BOOLEAN, Scalar.TIMESTAMP, Scalar.INTEGER, Scalar.DOUBLE


def _columns(scalar: Scalar, names: str) -> tuple[Column, ...]:
    return tuple(Column(name, scalar) for name in names.split())


def _struct(*members: tuple[Column, ...] | Column) -> Struct:
    return Struct(_joined(*members))


def _joined(*parts: tuple[Column, ...] | Column) -> tuple[Column, ...]:
    return tuple(column for part in parts for column in (part if isinstance(part, tuple) else (part,)))


_SESSION_CONTEXT = _struct(
    Column("attributes", _struct(Column("creationdate", TS), Column("mfaauthenticated", T))),
    Column("sessionissuer", _struct(_columns(T, "type principalid arn accountid username"))),
    Column("webidfederationdata", _struct(Column("federatedprovider", T), Column("attributes", J))),
    _columns(T, "sourceidentity ec2roledelivery ec2issuedinvpc"),
)

_USER_IDENTITY = _struct(
    _columns(T, "type principalid arn accountid accesskeyid username"),
    Column("sessioncontext", _SESSION_CONTEXT),
    Column("onbehalfof", _struct(_columns(T, "userid identitystorearn"))),
    Column("inscopeof", _struct(_columns(T, "sourcearn sourceaccount issuertype credentialsissuedto"))),
    _columns(T, "invokedby identityprovider"),
)

_TAG_CONTEXT = _struct(
    Column("resourcetags", Array(_struct(Column("arn", T), Column("tags", J)))), Column("principaltags", J)
)

_CLOUDTRAIL = _joined(
    Column("eventversion", T),
    Column("useridentity", _USER_IDENTITY),
    Column("eventtime", TS),
    _columns(T, "eventsource eventname awsregion sourceipaddress useragent errorcode errormessage"),
    _columns(J, "requestparameters responseelements additionaleventdata"),
    _columns(T, "requestid eventid"),
    Column("readonly", B),
    Column("resources", Array(_struct(_columns(T, "accountid type arn arnprefix")))),
    _columns(T, "eventtype apiversion"),
    Column("managementevent", B),
    _columns(T, "recipientaccountid sharedeventid annotation vpcendpointid vpcendpointaccountid"),
    _columns(J, "serviceeventdetails addendum edgedevicedetails insightdetails"),
    Column("eventcategory", T),
    Column("tlsdetails", _struct(_columns(T, "tlsversion ciphersuite clientprovidedhostheader"))),
    Column("sessioncredentialfromconsole", T),
    Column("eventcontext", _struct(Column("requestcontext", J), Column("tagcontext", _TAG_CONTEXT))),
)

_COMMON = _joined(_columns(T, "eventversion eventcategory eventtype eventid"), Column("eventtime", TS))
_PLACE = _columns(T, "awsregion recipientaccountid")

_ATTRIBUTION = _struct(
    Column("attribute", T),
    Column("insight", Array(_struct(Column("value", T), Column("average", D)))),
    Column("baseline", Array(_struct(Column("value", T), Column("average", D)))),
)

_INSIGHT = _joined(
    _COMMON,
    _PLACE,
    Column("sharedeventid", T),
    Column("addendum", J),
    _columns(T, "insightsource insightstate insighteventsource insighteventname insighterrorcode insighttype"),
    Column(
        "insightcontext",
        _struct(
            _columns(D, "baselineaverage insightaverage"),
            _columns(INT, "baselineduration insightduration"),
            Column("attributions", Array(_ATTRIBUTION)),
        ),
    ),
)

_CONFIGURATION_ITEM = _joined(
    _COMMON,
    _PLACE,
    Column("addendum", J),
    Column(
        "eventdata",
        _struct(
            _columns(
                T,
                "configurationitemversion configurationitemcapturetime configurationitemstatus "
                "configurationitemstateid accountid resourcetype resourceid resourcename arn awsregion "
                "availabilityzone resourcecreationtime",
            ),
            _columns(J, "configuration supplementaryconfiguration"),
            Column("relatedevents", T),
            Column("relationships", Array(_struct(_columns(T, "name resourcetype resourceid resourcename")))),
            Column("tags", J),
        ),
    ),
)

_EVIDENCE = _joined(
    _COMMON,
    _PLACE,
    Column("addendum", J),
    Column(
        "eventdata",
        _struct(
            Column("attributes", J),
            _columns(
                T,
                "awsaccountid awsorganization compliancecheck datasource eventname eventsource evidenceawsaccountid "
                "evidencebytype iamid evidenceid",
            ),
            Column("time", TS),
            _columns(
                T,
                "assessmentid controlsetid controlid controlname controldomainname frameworkname frameworkid service "
                "servicecategory resourcearn resourcetype evidencefolderid description manualevidences3resourcepath "
                "evidencefoldername resourcecompliancecheck",
            ),
        ),
    ),
)

_ACTIVITY_AUDIT_LOG = _joined(
    _COMMON,
    _PLACE,
    Column("addendum", _struct(_columns(T, "reason updatedfields originaluid originaleventid"))),
    Column("metadata", _struct(_columns(T, "ingestiontime channelarn"))),
    Column(
        "eventdata",
        _struct(
            Column("version", T),
            Column("useridentity", _struct(_columns(T, "type principalid"), Column("details", J))),
            _columns(T, "useragent eventsource eventname eventtime uid"),
            _columns(J, "requestparameters responseelements"),
            _columns(T, "errorcode errormessage sourceipaddress recipientaccountid"),
            Column("additionaleventdata", J),
        ),
    ),
)

_RECORD = _columns(T, "eventjson eventjsonchecksum")
_OWN = (Column(COMMIT_COLUMN, INT), Column(INDEX_COLUMN, INT))

COLUMNS: dict[EventDataStoreKind, tuple[Column, ...]] = {
    kind: _joined(columns, _RECORD)
    for kind, columns in (
        (EventDataStoreKind.CLOUDTRAIL, _CLOUDTRAIL),
        (EventDataStoreKind.INSIGHT, _INSIGHT),
        (EventDataStoreKind.CONFIGURATION_ITEM, _CONFIGURATION_ITEM),
        (EventDataStoreKind.EVIDENCE, _EVIDENCE),
        (EventDataStoreKind.ACTIVITY_AUDIT_LOG, _ACTIVITY_AUDIT_LOG),
    )
}
"""The columns that Lake SQL shows of each kind of event data store, in the published order."""


def stored_columns(kind: EventDataStoreKind) -> tuple[Column, ...]:
    """Return every column that a table's files have, in order, without the partition column, which the files' folders
    name."""
    return (*COLUMNS[kind], *_OWN)
