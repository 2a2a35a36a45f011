# ruff: noqa: E501 - a table of cases
"""For each sample query, by its name: events that it must find. Members are those that differ from ``a_seed``'s."""

from typing import Any

Record = dict[str, Any]

ALICE = "arn:aws:iam::123456789012:user/alice"
KEY = "AKIAIOSFODNN7EXAMPLE"


def _s3(name: str, **parameters: Any) -> Record:
    return {
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "requestParameters": {"bucketName": "b", **parameters},
    }


def _data(name: str, **members: Any) -> Record:
    return {**_s3(name, key="k"), "eventCategory": "Data", "managementEvent": False, **members}


def _of(service: str, name: str, _parameters: Record | None = None, **members: Any) -> Record:
    return {"eventSource": f"{service}.amazonaws.com", "eventName": name, "requestParameters": _parameters, **members}


def _login(outcome: str, mfa: str = "No", at: str = "2026-11-20T22:00:00Z") -> Record:
    return _of(
        "signin",
        "ConsoleLogin",
        None,
        responseElements={"ConsoleLogin": outcome},
        additionalEventData={"MFAUsed": mfa},
        eventTime=at,
        sourceIPAddress="203.0.113.9",
    )


def _as(**identity: Any) -> Record:
    return {
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDA",
            "arn": ALICE,
            "accountId": "123456789012",
            "userName": "alice",
            **identity,
        }
    }


def _denied(name: str) -> Record:
    return _of("ec2", name, errorCode="AccessDenied")


RESOURCE = {"resources": [{"ARN": "arn:aws:s3:::my-resource", "accountId": "123456789012", "type": "AWS::S3::Bucket"}]}
DENIED_ENDPOINT: Record = {
    "eventCategory": "NetworkActivity",
    "errorCode": "VpceAccessDenied",
    "vpcEndpointId": "vpce-1",
}
BUSY = [
    _of("ec2", "DescribeInstances", awsRegion=region, readOnly=True)
    for region in ("eu-west-1",) * 3 + ("us-east-1",) * 2
]

SEEDS: dict[str, list[Record]] = {
    "Who deleted a bucket": [_s3("DeleteBucket")],
    "Bucket policies and ACLs that changed": [_s3("PutBucketPolicy")],
    "Buckets opened to everybody": [_s3("PutBucketPolicy", bucketPolicy={"Statement": [{"Effect": "Allow", "Principal": "*"}]})],
    "Buckets whose logging or versioning was switched": [_s3("PutBucketVersioning")],
    "Most read objects": [_data("GetObject")],
    "Objects deleted by identity": [_data("DeleteObject")],
    "Bytes downloaded by address": [_data("GetObject", additionalEventData={"bytesTransferredOut": 12.0})],
    "Objects read without a signature": [_data("GetObject", userIdentity={"type": "AWSAccount", "accountId": "anonymous"})],
    "Console sign-ins without MFA": [_login("Success")],
    "Failed console sign-ins by address": [_login("Failure")],
    "Sign-ins after many failures": [*[_login("Failure")] * 3, _login("Success", at="2026-11-20T22:10:00Z")],
    "Use of the root user": [_of("iam", "ListUsers", userIdentity={"type": "Root", "accountId": "123456789012"})],
    "Roles assumed from another account": [_of("sts", "AssumeRole", {"roleArn": "r"}, userIdentity={"type": "AWSAccount", "accountId": "999999999999"})],
    "Roles assumed with a web identity": [_of("sts", "AssumeRoleWithWebIdentity", {"roleArn": "r"}, userIdentity={"type": "WebIdentityUser", "identityProvider": "p"})],
    "Failed attempts to assume a role": [_of("sts", "AssumeRole", {"roleArn": "r"}, errorCode="AccessDenied")],
    "Longest chains of role sessions": [_as(type="AssumedRole", sessionContext={"sessionIssuer": {"arn": "role"}})],
    "New users, roles and access keys": [_of("iam", "CreateUser", {"userName": "bob"})],
    "Access keys made for another user": [{**_of("iam", "CreateAccessKey", {"userName": "bob"}), **_as()}],
    "Policies attached and written": [_of("iam", "PutUserPolicy", {"policyName": "p"})],
    "Administrator rights given": [_of("iam", "AttachUserPolicy", {"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"})],
    "Changes of a role's trust": [_of("iam", "UpdateAssumeRolePolicy", {"roleName": "r", "policyDocument": "{}"})],
    "MFA devices switched off": [_of("iam", "DeactivateMFADevice", {"userName": "bob"})],
    "Password policy changes": [_of("iam", "ChangePassword")],
    "Federation providers changed": [_of("iam", "CreateSAMLProvider")],
    "Access keys by last use": [_as(accessKeyId=KEY)],
    "Access keys used from many addresses": [{**_as(accessKeyId=KEY), "sourceIPAddress": f"203.0.113.{at}"} for at in (1, 2)],
    "Most frequent errors": [_of("ec2", "RunInstances", errorCode="Client.InvalidParameterValue")],
    "Denied calls by identity": [_denied("RunInstances")],
    "Identities that try many doors": [_denied(name) for name in ("RunInstances", "CreateVpc", "DescribeInstances")],
    "Throttled calls": [_of("ec2", "DescribeInstances", errorCode="Client.RequestLimitExceeded")],
    "Share of errors by service": [_denied("RunInstances")],
    "Attempts to blind the record": [_of("cloudtrail", "StopLogging")],
    "Encryption keys disabled or to be deleted": [_of("kms", "ScheduleKeyDeletion", {"keyId": "k"})],
    "Uses of encryption keys": [_of("kms", "Decrypt")],
    "Secrets read": [_of("secretsmanager", "GetSecretValue", {"secretId": "s"})],
    "Security groups opened to the world": [_of("ec2", "AuthorizeSecurityGroupIngress", {"groupId": "sg-1", "ipPermissions": {"items": [{"cidrIp": "0.0.0.0/0"}]}})],
    "Instances launched": [_of("ec2", "RunInstances", {"instanceType": "t3.micro"}, responseElements={"instancesSet": {"items": [{"instanceId": "i-1"}]}})],
    "Instances terminated": [_of("ec2", "TerminateInstances", {"instancesSet": {"items": [{"instanceId": "i-1"}]}})],
    "Snapshots and images shared": [_of("ec2", "ModifySnapshotAttribute", {"snapshotId": "s"})],
    "Network gateways and routes changed": [_of("ec2", "CreateRoute")],
    "User data of instances read or set": [_of("ec2", "DescribeInstanceAttribute", {"instanceId": "i-1", "attribute": "userData"})],
    "Remote commands on instances": [_of("ssm", "StartSession", {"target": "i-1"})],
    "Key pairs made or imported": [_of("ec2", "CreateKeyPair", {"keyName": "k"})],
    "Calls that a network endpoint refused": [_of("s3", "GetObject", **DENIED_ENDPOINT)],
    "Functions changed": [_of("lambda", "UpdateFunctionCode20150331v2", {"functionName": "f"})],
    "Databases deleted or made public": [_of("rds", "ModifyDBInstance", {"dBInstanceIdentifier": "d", "publiclyAccessible": True})],
    "Databases deleted without a last snapshot": [_of("rds", "DeleteDBCluster", {"dBClusterIdentifier": "d", "skipFinalSnapshot": True})],
    "Container images pushed": [_of("ecr", "PutImage", {"repositoryName": "r"})],
    "Accounts and organization changes": [_of("organizations", "LeaveOrganization")],
    "Stacks deployed and deleted": [_of("cloudformation", "DeleteStack", {"stackName": "s"})],
    "Certificates and domains changed": [_of("route53", "ChangeResourceRecordSets")],
    "Queues and topics deleted or opened": [_of("sqs", "DeleteQueue")],
    "Calls by service": [{}],
    "Calls by identity": [_as()],
    "Activity by hour": [{}],
    "Calls by Region": [{}],
    "Changes outside the usual Regions": [*BUSY, {"awsRegion": "ap-south-1"}],
    "Changes made by hand": [{"sessionCredentialFromConsole": "true"}],
    "Tools in use": [{"userAgent": "aws-cli/2.0 x"}],
    "First calls of the last day": [_of("ec2", "CreateVpc")],
    "New source addresses": [{"sourceIPAddress": "203.0.113.200"}],
    "What one identity did": [_as()],
    "What happened to one resource": [RESOURCE],
    "What one address did": [{"sourceIPAddress": "203.0.113.7"}],
    "Old TLS versions": [{"tlsDetails": {"tlsVersion": "TLSv1.1"}}],
    "Resources touched most": [RESOURCE],
    "Queries of the lake": [_of("cloudtrail", "StartQuery", {"queryStatement": "SELECT 1"})],
    "Calls whose outcome is unknown": [{"additionalEventData": {"opentrail": {"outcome": "unknown"}}}],
    "Unusual rates by day": [{"insightState": "Start", "insightType": "ApiCallRateInsight", "insightEventName": "RunInstances"}],
    "Largest departures from the baseline": [{"insightState": "End", "insightContext": {"insightAverage": 5.0, "baselineAverage": 0.5}}],
    "Events of your applications": [{"eventData": {"eventSource": "app.example.com", "eventName": "Pay", "userIdentity": {"principalId": "u"}}}],
    "Failures in your applications": [{"eventData": {"eventSource": "app.example.com", "errorCode": "E"}}],
    "Resources by type": [{"eventData": {"resourceType": "AWS::EC2::SecurityGroup", "resourceId": "sg-1"}}],
    "History of one resource's configuration": [{"eventData": {"resourceId": "sg-0123456789abcdef0", "configuration": {"a": 1}}}],
}  # fmt: skip

FIND_ANYTHING = frozenset(
    {"Calls by service", "Calls by identity", "Activity by hour", "Calls by Region", "First calls of the last day",
     "New source addresses", "Resources by type"}
)  # fmt: skip
"""Samples that are not about some events but about all: those find ``a_seed``, too."""


def a_seed(number: int, **members: Any) -> Record:
    """An event of yesterday evening that no sample looks for by itself."""
    return {
        "eventVersion": "1.11",
        "eventID": f"aaaaaaaa-bbbb-4ccc-8ddd-{number:012d}",
        "eventTime": "2026-11-20T23:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "CreateTags",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.1",
        "eventType": "AwsApiCall",
        "eventCategory": "Management",
        "managementEvent": True,
        "readOnly": False,
        "recipientAccountId": "123456789012",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDB", "arn": "arn:aws:iam::123456789012:user/carl",
                         "accountId": "123456789012", "userName": "carl"},
    } | members  # fmt: skip
