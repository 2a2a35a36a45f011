# ruff: noqa: E501 - a table of cases
"""AWS's published Lake queries, each with events that it finds and the same question answered by pandas.

``REPAIRS`` names every published text that no engine can run as it stands, and the least that makes it run: a doubled
FROM, two statements in one file, a missing space, a placeholder, a range of times that ends where it begins.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

Record = dict[str, Any]
Row = list[str | None]

PLACEHOLDERS = (
    "<event_data_store_id>",
    "$EDS_ID",
    "<EDS ID>",
    "<Event data store Id>",
    "config_event_data_store_ID",
)

SAME_DAY = ("eventTime < '2022-01-01 00:00:00'", "eventTime < '2022-01-02 00:00:00'")
REPAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "iam-idc-authenticate-api.sql": (("FROM FROM", "FROM"),),
    "list-all-errors-for-s3-events.sql": (("example: select", "UNION ALL select"),),
    "list-publicly-accessible-rds-instances.sql": (("'true'SELECT", "'true' UNION ALL SELECT"),),
    "list-all-events-in-a-flatten-table-format.sql": (
        (">= '${date_filter}'", ">= '2023-01-01'"),
        ("<= '${date_filter}'", "<= '2023-12-31'"),
    ),
    "network-activity-events-vpce-access-denied-s3.sql": (
        (">= '${date_filter}'", ">= '2023-01-01'"),
        ("<= '${date_filter}'", "<= '2023-12-31'"),
        ("GROUP BY", "GROUP BY userIdentity.username, eventType, eventCategory, errorCode,"),
    ),
    "network-activity-events-vpce-access-denied-secrets-manager.sql": (
        (">= '${date_filter}'", ">= '2023-01-01'"),
        ("<= '${date_filter}'", "<= '2023-12-31'"),
    ),
    "network-activity-events-vpce-access-denied.sql": (
        (">= '${date_filter}'", ">= '2023-01-01'"),
        ("<= '${date_filter}'", "<= '2023-12-31'"),
    ),
    "ssm-patch-compliance-selected-ec2-instance-time-range.sql": (("<instance id such as i-123456789012>", "i-1"),),
    "tls-version.sql": (SAME_DAY,),
    "top-errors.sql": (SAME_DAY, ("errorMessageORDER", "errorMessage ORDER"), ("DESCLIMIT", "DESC LIMIT")),
    "top-s3-objects.sql": (SAME_DAY,),
    "users-by-account.sql": (SAME_DAY,),
}


def an_event(name: str, at: str, **members: Any) -> Record:
    """A record with the members that all have."""
    return {
        "eventVersion": "1.08",
        "eventName": name,
        "eventTime": at,
        "eventSource": "ec2.amazonaws.com",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.1",
        "eventType": "AwsApiCall",
        "eventCategory": "Management",
        "managementEvent": True,
        "readOnly": False,
        "recipientAccountId": "111111111111",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDA", "accountId": "111111111111", "arn": "arn:u"},
    } | members


def at(record: Record, path: str) -> Any:
    """Return what lies at a dotted path of a record, None where there is nothing."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: Any) -> str | None:
    """Return a value as a map of strings holds it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def when(record: Record) -> str:
    return str(record["eventTime"]).replace("T", " ").replace("Z", ".000")


@dataclass(frozen=True)
class Mask:
    """A condition on a whole frame of records, as ``frame_of`` makes it."""

    of: Callable[[pd.DataFrame], pd.Series]


Condition = Mask | Callable[[Record], bool]
"""What is not a mask is asked of each record by itself."""


def frame_of(records: Iterable[Record]) -> pd.DataFrame:
    """Return records as a frame: each with its moment."""
    frame = pd.DataFrame({"record": pd.Series(list(records), dtype=object)})
    frame["moment"] = pd.to_datetime(frame["record"].map(lambda record: record["eventTime"]), utc=True)
    return frame


def column(frame: pd.DataFrame, path: str) -> pd.Series:
    """Return what lies at a dotted path of every record."""
    return pd.Series([at(record, path) for record in frame["record"]], index=frame.index, dtype=object)


def mask(condition: Condition, frame: pd.DataFrame) -> pd.Series:
    found = condition.of(frame) if isinstance(condition, Mask) else frame["record"].map(condition)
    return found.astype(bool)


def between(low: str, high: str) -> Mask:
    """Return the condition on event times between two, both left out."""
    first, last = pd.Timestamp(low, tz="UTC"), pd.Timestamp(high, tz="UTC")
    return Mask(lambda frame: frame["moment"].between(first, last, inclusive="neither"))


def parts(record: Record, *paths: str) -> Row:
    """Return the texts at several paths."""
    return [text(at(record, path)) for path in paths]


@dataclass(frozen=True)
class Published:
    """One published query: events that it finds, and what it should answer over any records."""

    seeds: list[Record]
    where: Condition
    row: Callable[[Record], Row]
    grouped: Callable[[Row, int], Row] | None = None
    columns: tuple[str, ...] = field(default=())
    twice: bool = False

    def answer(self, frame: pd.DataFrame) -> list[Row]:
        """Return the rows, in no particular order."""
        found = frame.loc[mask(self.where, frame), "record"].map(self.row)
        if found.empty:
            return []
        rows = pd.DataFrame(found.tolist(), dtype=object)
        if self.grouped is not None:
            counts = rows.groupby(list(rows.columns), dropna=False, sort=False).size()
            keys = (key if isinstance(key, tuple) else (key,) for key in counts.index)
            return [
                self.grouped([_plain(value) for value in key], int(count))
                for key, count in zip(keys, counts, strict=True)
            ]
        return [[_plain(value) for value in row] for row in rows.itertuples(index=False)] * (2 if self.twice else 1)


def _plain(value: Any) -> str | None:
    """Return a cell as results have it: pandas' own names for nothing are None."""
    return None if pd.isna(value) else str(value)


JANUARY = between("2023-01-01 00:00:00", "2023-01-07 00:00:00")
EVER = between("2022-01-01 00:00:00", "2022-01-02 00:00:00")
KEY = "AKIAIOSFODNN7EXAMPLE"
ROLE = "arn:aws:iam::555555555555:role/alice"
ISSUER = "userIdentity.sessionContext.sessionIssuer"
SERVICES = (
    "eks", "ec2", "vpc", "ecs", "iam", "autoscaling", "s3", "rds", "backup", "athena", "cloudtrail", "cloudfront",
    "cloudformation", "code", "ecr", "lambda", "efs",
)  # fmt: skip


def identity(**members: Any) -> Record:
    return {"userIdentity": {"type": "AssumedRole", "principalId": "AROA:x", "accountId": "111111111111"} | members}


def of_role(name: str, arn: str = ROLE) -> Record:
    return identity(sessionContext={"sessionIssuer": {"type": "Role", "userName": name, "arn": arn}})


def equals(path: str, value: Any) -> Mask:
    return Mask(lambda frame: column(frame, path).isna() if value is None else column(frame, path) == value)


def every(*conditions: Condition) -> Mask:
    def of(frame: pd.DataFrame) -> pd.Series:
        found = pd.Series(True, index=frame.index)
        for condition in conditions:  # each is asked of what the ones before it left
            found[found] = mask(condition, frame[found])
        return found

    return Mask(of)


def starts(path: str, *values: str) -> Mask:
    return Mask(lambda frame: column(frame, path).fillna("").astype(str).str.startswith(values))


def there(path: str) -> Mask:
    return Mask(lambda frame: column(frame, path).notna())


def columns_of(*paths: str) -> Callable[[Record], Row]:
    return lambda record: [when(record) if path == "eventTime" else text(at(record, path)) for path in paths]


def counted_last(key: Row, count: int) -> Row:
    return [*key, str(count)]


def counted_first(key: Row, count: int) -> Row:
    return [str(count), *key]


DENIED = {"eventCategory": "NetworkActivity", "errorCode": "VpceAccessDenied", "errorMessage": "no", "vpcEndpointId": "v",
          "vpcEndpointAccountId": "222222222222"}  # fmt: skip
YEAR_2023 = between("2022-12-31 23:59:59", "2023-12-31 00:00:01")

PUBLISHED: dict[str, Published] = {
    "EstimateAmountOfConfigurationItems.sql": Published(
        [an_event("RunInstances", "2023-10-02T00:00:00Z")],
        every(between("2023-10-01 00:00:00", "2023-10-30 00:00:00"), starts("eventSource", *SERVICES),
              equals("readOnly", False), equals("managementEvent", True)),
        columns_of("recipientAccountId", "awsRegion", "eventSource"), counted_last),
    "MostEvaluatedConfigRule.sql": Published(
        [an_event("PutEvaluations", "2022-11-02T01:00:00Z",
                  additionalEventData={"configRuleName": "r", "configRuleArn": "a"})],
        every(equals("eventName", "PutEvaluations"), between("2022-11-01 00:00:00", "2022-11-22 00:00:00")),
        lambda r: [when(r)[:10], *parts(r, "awsRegion", "recipientAccountId", "additionalEventData.configRuleName",
                                        "additionalEventData.configRuleArn")], counted_first),
    "aurora-postgresql-databases-with availability-zone-information.sql": Published(
        [an_event("CreateDBInstance", "2021-05-01T00:00:00Z", requestParameters={
            "dBInstanceIdentifier": "d", "engine": "aurora-postgresql", "engineVersion": "13", "availabilityZone": "z"})],
        every(equals("requestParameters.engine", "aurora-postgresql"), equals("eventName", "CreateDBInstance"),
              between("2020-12-31 23:59:59", "2022-01-01 00:00:00")),
        columns_of("requestParameters.dBInstanceIdentifier", "requestParameters.engine",
                   "requestParameters.engineVersion", "requestParameters.availabilityZone")),
    "console-login-with-no-mfa.sql": Published(
        [an_event("ConsoleLogin", "2023-05-01T00:00:00Z", eventSource="signin.amazonaws.com",
                  additionalEventData={"MFAUsed": "No"})],
        every(equals("eventSource", "signin.amazonaws.com"), equals("eventName", "ConsoleLogin"),
              equals("additionalEventData.MFAUsed", "No")),
        columns_of("eventID", "eventTime"), columns=("eventid", "eventtime")),
    "cross-account-access.sql": Published(
        [an_event("GetObject", "2022-05-02T00:00:00Z", recipientAccountId="222222222222")],
        every(between("2022-04-30 00:00:00", "2022-06-01 00:00:00"), there("userIdentity.accountId"),
              there("recipientAccountId"), lambda r: r["userIdentity"]["accountId"] != r["recipientAccountId"]),
        columns_of("userIdentity.principalId", "eventName", "eventSource", "userIdentity.accountId",
                   "recipientAccountId", "requestParameters", "eventTime")),
    "database-failover-information.sql": Published(
        [an_event("FailoverDBCluster", "2023-05-01T00:00:00Z", requestParameters={"dBClusterIdentifier": "c"})],
        equals("eventName", "FailoverDBCluster"),
        columns_of("awsRegion", "requestParameters.dBClusterIdentifier", f"{ISSUER}.userName", "eventTime")),
    "database-reboot-information.sql": Published(
        [an_event("RebootDBInstance", "2023-05-01T00:00:00Z", requestParameters={"dBInstanceIdentifier": "i"},
                  **of_role("bob"))],
        equals("eventName", "RebootDBInstance"),
        columns_of("requestParameters.dBInstanceIdentifier", f"{ISSUER}.userName", "eventTime")),
    "ec2-api-run-instances.sql": Published(
        [an_event("RunInstances", "2023-01-02T00:00:00Z", responseElements={"instancesSet": {"items": [{"a": 1}]}})],
        every(equals("eventName", "RunInstances"), JANUARY),
        columns_of("recipientAccountId", "awsRegion", "eventID", "responseElements.instancesSet")),
    "ec2-public-security-group.sql": Published(
        [an_event("AuthorizeSecurityGroupIngress", "2023-07-06T00:00:00Z",
                  requestParameters={"groupId": "g", "ipPermissions": {"items": [{"cidrIp": "0.0.0.0/0"}]}})],
        every(equals("eventName", "AuthorizeSecurityGroupIngress"), between("2023-07-05 23:59:59", "2023-07-08 00:00:01"),
              lambda r: "0.0.0.0/0" in (text(at(r, "requestParameters.ipPermissions")) or "")),
        columns_of("eventName", "userIdentity.arn", "sourceIPAddress", "eventTime", "eventSource",
                   "requestParameters.groupId", "requestParameters.ipPermissions")),
    "event-response-element-by-event-id.sql": Published(
        [an_event("X", "2023-01-02T00:00:00Z", eventID="3270e016-59a1-4448-8dd1-d27a4796502d",
                  responseElements={"a": {"b": [1, "ü"]}})],
        equals("eventID", "3270e016-59a1-4448-8dd1-d27a4796502d"), columns_of("responseElements")),
    "find-snapshots-not-encrypted.sql": Published(
        [an_event("CreateSnapshots", "2023-01-02T00:00:00Z", requestParameters={
            "CreateSnapshotsRequest": {"InstanceSpecification": {"InstanceId": "i-1"}}, "volumeId": "v"})],
        lambda r: "CreateSnapshots" in r["eventName"],
        lambda r: [*parts(r, "userIdentity.principalId", "awsRegion", "requestParameters.volumeId"),
                   json.dumps(at(r, "requestParameters.CreateSnapshotsRequest.InstanceSpecification.InstanceId")),
                   text(at(r, "responseElements.snapshotId"))]),
    "iam-access-key-activity.sql": Published(
        [an_event("X", "2023-01-02T00:00:00Z", **identity(accessKeyId=KEY))],
        every(equals("userIdentity.accessKeyId", KEY), JANUARY),
        columns_of("eventSource", "eventName", "sourceIPAddress", "eventTime", "errorCode")),
    "iam-access-key-success-activity.sql": Published(
        [], every(equals("userIdentity.accessKeyId", KEY), JANUARY, equals("errorCode", None)),
        columns_of("eventSource", "eventName"), counted_first),
    "iam-idc-authenticate-api.sql": Published(
        [an_event("Authenticate", "2023-01-02T00:00:00Z", eventSource="sso.amazonaws.com",
                  **identity(userName="alice@example.com"))],
        every(equals("eventSource", "sso.amazonaws.com"), equals("eventName", "Authenticate"), JANUARY),
        columns_of("userIdentity.userName", "eventTime", "recipientAccountId", "awsRegion", "sourceIPAddress", "eventID")),
    "iam-idc-federate-api-by-idc-user.sql": Published(
        [an_event("Federate", "2023-01-02T00:00:00Z", eventSource="sso.amazonaws.com",
                  serviceEventDetails={"account_id": "1", "role_name": "r"}, **identity(userName="alice@example.com"))],
        every(equals("eventSource", "sso.amazonaws.com"), equals("eventName", "Federate"),
              equals("userIdentity.userName", "alice@example.com"), JANUARY),
        columns_of("serviceEventDetails.account_id", "serviceEventDetails.role_name", "eventID", "eventTime")),
    "iam-idc-user-create-iam-user-acces-keys.sql": Published(
        [an_event("CreateAccessKey", "2023-01-02T00:00:00Z", **identity(principalId="AROA:alice@example.com"))],
        every(lambda r: str(at(r, "userIdentity.principalId")).endswith("alice@example.com"),
              equals("eventName", "CreateAccessKey"), JANUARY),
        columns_of("recipientAccountId", "awsRegion", "eventID", "eventTime", "errorCode", "errorMessage")),
    "iam-principal-by-launched-ec2-instance-id.sql": Published(
        [an_event("RunInstances", "2023-01-02T00:00:00Z",
                  responseElements={"instancesSet": {"items": [{"instanceId": "i-b188560f"}]}})],
        every(equals("eventName", "RunInstances"), JANUARY,
              lambda r: '"instanceId":"i-b188560f"' in (text(at(r, "responseElements.instancesSet")) or "")),
        columns_of("userIdentity.principalId", "eventName", "eventTime", "recipientAccountId", "awsRegion")),
    "list-all-S3-PutObjects-Encryption-status.sql": Published(
        [an_event("PutObject", "2023-01-02T00:00:00Z", requestParameters={
            "bucketName": "b", "key": "k", "x-amz-server-side-encryption": "AES256"})],
        equals("eventName", "PutObject"),
        columns_of("recipientAccountId", "eventTime", "requestParameters.bucketName", "requestParameters.key",
                   "requestParameters.x-amz-server-side-encryption", "responseElements.x-amz-server-side-encryption")),
    "list-all-errors-for-s3-events.sql": Published(
        [an_event("GetObject", "2023-01-02T00:00:00Z", eventSource="s3.amazonaws.com", errorMessage="no")],
        every(there("errorMessage"), equals("eventSource", "s3.amazonaws.com")),
        columns_of("eventType", "eventName", "errorMessage"), twice=True),
    "list-all-events-in-a-flatten-table-format.sql": Published(
        [], YEAR_2023, columns_of("eventID", "eventTime", "userIdentity.arn", "requestParameters", "userIdentity.userName"),
        columns=("eventID", "eventTime", "arn", "requestParameters", "username")),
    "list-all-manually-created-resources.sql": Published(
        [an_event("CreateBucket", "2023-01-02T00:00:00Z", resources=[{"ARN": "arn:r"}], **of_role("bob"))],
        every(lambda r: any(word in r["eventName"] for word in ("Create", "Update", "Put", "Delete")), there("resources"),
              there(f"{ISSUER}.userName"), lambda r: not at(r, f"{ISSUER}.userName").startswith("AWSServiceRole"),
              lambda r: r["sourceIPAddress"] != "cloudformation.amazonaws.com"),
        columns_of("eventID", "eventTime", "eventName", "requestParameters"),
        columns=("eventID", "eventTime", "eventName", "requestParameters")),
    "list-publicly-accessible-rds-instances.sql": Published(
        [an_event("CreateDBInstance", "2023-01-02T00:00:00Z", eventSource="rds.amazonaws.com",
                  requestParameters={"publiclyAccessible": True})],
        every(equals("eventSource", "rds.amazonaws.com"), equals("eventName", "CreateDBInstance"),
              lambda r: text(at(r, "requestParameters.publiclyAccessible")) == "true"),
        columns_of("eventID"), columns=("eventid",), twice=True),
    "logs-by-region.sql": Published(
        [], between("2022-04-23 00:00:00", "2022-11-26 00:00:00"), columns_of("awsRegion", "eventSource"), counted_last),
    "network-activity-events-vpce-access-denied-s3.sql": Published(
        [an_event("GetObject", "2023-01-02T00:00:00Z", **DENIED | {"eventSource": "s3.amazonaws.com"})],
        every(YEAR_2023, equals("eventCategory", "NetworkActivity"), equals("errorCode", "VpceAccessDenied"),
              equals("eventSource", "s3.amazonaws.com")),
        columns_of("userIdentity.userName", "userIdentity.accountId", "eventType", "eventCategory", "eventName",
                   "errorCode", "errorMessage", "vpcEndpointId", "vpcEndpointAccountId", "sourceIPAddress"),
        lambda key, count: key),
    "network-activity-events-vpce-access-denied-secrets-manager.sql": Published(
        [an_event("GetSecretValue", "2023-01-02T00:00:00Z", **DENIED | {"eventSource": "secretsmanager.amazonaws.com"})],
        every(YEAR_2023, equals("eventCategory", "NetworkActivity"), equals("errorCode", "VpceAccessDenied"),
              equals("eventSource", "secretsmanager.amazonaws.com")),
        columns_of("eventTime", "userIdentity.userName", "userIdentity.accountId", "eventType", "eventCategory",
                   "eventName", "errorCode", "errorMessage", "vpcEndpointId", "vpcEndpointAccountId", "sourceIPAddress")),
    "network-activity-events-vpce-access-denied.sql": Published(
        [], every(YEAR_2023, equals("eventCategory", "NetworkActivity"), equals("errorCode", "VpceAccessDenied")),
        columns_of("userIdentity.arn", "userIdentity.accountId", "eventName", "errorMessage", "vpcEndpointId",
                   "vpcEndpointAccountId", "sourceIPAddress"), counted_first),
    "rds-db-deleted-with-no-snapshot.sql": Published(
        [an_event("DeleteDBCluster", "2023-01-02T00:00:00Z", requestParameters={
            "dBClusterIdentifier": "c", "skipFinalSnapshot": True}, **of_role("bob"))],
        every(equals("eventName", "DeleteDBCluster"),
              lambda r: text(at(r, "requestParameters.skipFinalSnapshot")) == "true"),
        columns_of("requestParameters.dBClusterIdentifier", f"{ISSUER}.userName", "eventTime")),
    "s3-buckets-public-access-block-historical-changes.sql": Published(
        [an_event("PutBucketPublicAccessBlock", "2023-07-08T00:00:00Z", eventSource="s3.amazonaws.com",
                  requestParameters={"bucketName": "demo-20230707", "PublicAccessBlockConfiguration": {
                      "RestrictPublicBuckets": False, "BlockPublicPolicy": True}})],
        every(equals("requestParameters.bucketName", "demo-20230707"), equals("eventSource", "s3.amazonaws.com")),
        columns_of("requestParameters.bucketName",
                   "requestParameters.PublicAccessBlockConfiguration.RestrictPublicBuckets",
                   "requestParameters.PublicAccessBlockConfiguration.BlockPublicPolicy",
                   "requestParameters.PublicAccessBlockConfiguration", "eventName", "eventTime", "requestParameters",
                   "userIdentity.arn", "responseElements")),
    "tag-history-by-resource.sql": Published(
        [an_event("CreateTags", "2023-01-02T00:00:00Z", requestParameters={
            "resourcesSet": {"items": [{"resourceId": "i-1"}]}, "tagSet": {"items": [{"key": "k", "value": "v"}]}})],
        lambda r: r["eventName"] in ("CreateTags", "DeleteTags") and when(r) > "2022-01-01 00:00:00",
        lambda r: [*parts(r, "awsRegion", "eventSource"), _item(r, "resourcesSet", "resourceId"), when(r),
                   r["eventName"], _item(r, "tagSet", "key"), _item(r, "tagSet", "value"), text(at(r, "userIdentity.arn"))]),
    "tls-version.sql": Published(
        [an_event("X", "2022-01-01T01:00:00Z", tlsDetails={"tlsVersion": "TLSv1.2"})],
        every(EVER, there("tlsDetails.tlsVersion"), lambda r: at(r, "tlsDetails.tlsVersion") != "TLSv1.3"),
        columns_of("eventName", "awsRegion", "sourceIPAddress", "recipientAccountId", "tlsDetails.tlsVersion")),
    "top-actions-by-iam-role.sql": Published(
        [an_event("X", "2023-01-02T00:00:00Z", **of_role("alice"))],
        every(JANUARY, equals("userIdentity.type", "AssumedRole"), equals(f"{ISSUER}.arn", ROLE)),
        columns_of("eventSource", "eventName"), counted_first),
    "top-errors.sql": Published(
        [an_event("X", "2022-01-01T01:00:00Z", errorCode="E", errorMessage="m")],
        every(EVER, lambda r: at(r, "errorCode") is not None or at(r, "errorMessage") is not None),
        columns_of("errorCode", "errorMessage"), counted_last),
    "top-s3-objects.sql": Published(
        [an_event("GetObject", "2022-01-01T01:00:00Z", eventSource="s3.amazonaws.com", eventCategory="Data",
                  requestParameters={"bucketName": "b", "key": "k"})] * 3,
        every(EVER, equals("eventCategory", "Data"), equals("eventName", "GetObject")),
        columns_of("requestParameters.bucketName", "requestParameters.key"), counted_last),
    "users-by-account.sql": Published(
        [], every(EVER, there("userIdentity.principalId")),
        columns_of("userIdentity.principalId", "userIdentity.accountId"), counted_last),
}  # fmt: skip


def _item(record: Record, group: str, name: str) -> str | None:
    items = at(record, f"requestParameters.{group}.items")
    return text(items[0].get(name)) if items else None


ATHENA = (
    Published([], equals("userIdentity.userName", "alice"), columns_of("eventTime", "eventName", "sourceIPAddress")),
    Published([], equals("eventName", "DeleteBucket"),
              columns_of("eventTime", "userIdentity.userName", "requestParameters", "sourceIPAddress")),
    Published([], there("errorCode"), columns_of("eventTime", "eventName", "errorCode", "errorMessage")),
    Published([], equals("eventName", "ConsoleLogin"),
              columns_of("eventTime", "userIdentity.userName", "sourceIPAddress", "responseElements")),
    Published([], every(equals("eventName", "DeleteBucket"),
                        lambda r: "my-resource-name" in (text(at(r, "requestParameters")) or "")),
              columns_of("eventTime", "userIdentity.userName", "userIdentity.arn", "sourceIPAddress", "requestParameters")),
)  # fmt: skip
"""The everyday queries of Athena's users, in the order of their file; each is ordered by time, the newest first."""

ORDERED: dict[str, tuple[tuple[int, bool], ...]] = {
    "EstimateAmountOfConfigurationItems.sql": ((0, True), (3, True)),
    "database-reboot-information.sql": ((2, True),),
    "iam-access-key-activity.sql": ((3, False),),
    "iam-access-key-success-activity.sql": ((0, True),),
    "list-all-S3-PutObjects-Encryption-status.sql": ((1, True),),
    "logs-by-region.sql": ((2, True),),
    "network-activity-events-vpce-access-denied-s3.sql": ((4, True),),
    "network-activity-events-vpce-access-denied-secrets-manager.sql": ((0, False),),
    "network-activity-events-vpce-access-denied.sql": ((3, True),),
    "top-actions-by-iam-role.sql": ((0, True),),
    "top-errors.sql": ((2, True),),
    "top-s3-objects.sql": ((2, True),),
    "users-by-account.sql": ((2, True),),
}
"""What the published queries order by: places of columns, and whether the largest comes first."""

LIMITS = {"top-errors.sql": 10, "top-s3-objects.sql": 20}


def is_ordered(rows: list[Row], by: tuple[tuple[int, bool], ...]) -> bool:
    """Say whether rows come as ORDER BY says, rows of equal keys in any order."""
    frame = pd.DataFrame([[row[place] for place, _ in by] for row in rows])
    frame = frame.apply(
        lambda values: pd.to_numeric(values) if values.astype(str).str.fullmatch(r"\d+").all() else values
    )
    places = list(frame.columns)
    ordered = frame.sort_values(places, ascending=[not largest_first for _, largest_first in by], kind="stable")
    return bool(ordered.reset_index(drop=True).equals(frame))


PATCHES = {
    "p1": {"Id": "KB1", "PatchState": "Installed"},
    "p2": {"Id": "KB2", "PatchState": "Missing"},
    "p3": {"Id": "KB3", "PatchState": "Installed"},
}
"""What the two queries on configuration items find, in ``a_configuration_item``."""

PATCH_STATES = ("Installed", "InstalledOther", "InstalledPendingReboot", "Missing", "Failed")


def a_configuration_item(at_time: str, instance: str = "i-1") -> Record:
    """A configuration item of one instance's patches."""
    return {
        "eventVersion": "1.0",
        "eventCategory": "ConfigurationItem",
        "eventType": "AwsConfigurationItem",
        "eventTime": at_time,
        "awsRegion": "us-east-1",
        "recipientAccountId": "111111111111",
        "eventData": {
            "accountId": "111111111111",
            "awsRegion": "us-east-1",
            "resourceType": "AWS::SSM::PatchCompliance",
            "resourceId": f"AWS::SSM::ManagedInstanceInventory/{instance}",
            "configuration": {"AWS:ComplianceItem": {"Content": {"Patch": PATCHES}}},
        },
    }
