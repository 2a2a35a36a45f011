"""Locks, deletions and settings of archives as boto3 sees them; every call, refused or not, is on record."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.identity import Credential
from opentrail.identity.mfa import MfaDevice, code_at, step_at
from opentrail.resource.archive import Archive, ColdTier, LockMode, LockRule
from tests.builders import ACCOUNT, a_credential, a_root, a_user, a_user_principal, an_archive
from tests.support.api import ApiInThread, recorded

Connect = Callable[..., Any]

KEY = "AWSLogs/1/CloudTrail/x.json.gz"
DEVICE = MfaDevice(f"arn:aws:iam::{ACCOUNT}:mfa/root-account-mfa-device", a_root().arn, b"s" * 20, a_user().created_at)


def refusal(call: Callable[..., object], **given: Any) -> tuple[int, str]:
    """Make a call that is refused; return the status and the error code."""
    with pytest.raises(ClientError) as refused:
        call(**given)
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def with_rules(api: ApiInThread, **rules: Any) -> Archive:
    """Give the archive ``logs`` rules, and an object written under them."""
    archive = replace(an_archive(), **rules)
    api.world.archives.change(archive)
    api.do(api.world.bucket.put_if_absent(KEY, b"0123456789", content_type="application/json"))
    return archive


def as_user(api: ApiInThread, connect: Connect, *actions: str) -> Any:
    listed = ",".join(f'"{action}"' for action in actions)
    policy = f'{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{listed}],"Resource":"*"}}]}}'
    api.do(api.world.identities.create_user(a_user(may=policy)))
    credential = Credential("AKIAUSERUSERUSERUSER", a_credential().secret_access_key, a_user_principal())
    api.do(api.world.identities.add_credential(credential))
    return connect("s3", credential=credential)


def later(api: ApiInThread, passed: timedelta) -> None:
    """Let time pass in the archives alone: clients sign with the real time."""
    api.world.archives.follow(lambda: api.world.clock.now() + passed)


def version_of(s3: Any) -> str:
    return str(s3.head_object(Bucket="logs", Key=KEY)["VersionId"])


def is_there(s3: Any) -> bool:
    return bool(s3.list_object_versions(Bucket="logs", Prefix=KEY).get("Versions"))


def test_nobody_deletes_before_the_time_in_compliance_mode(api: ApiInThread, connect: Connect) -> None:
    with_rules(api, lock=LockRule(LockMode.COMPLIANCE, 30))
    owner = connect("s3")
    version = version_of(owner)

    named = {"Bucket": "logs", "Key": KEY, "VersionId": version}
    for bypass in ({}, {"BypassGovernanceRetention": True}):
        assert refusal(owner.delete_object, **named, **bypass) == (403, "AccessDenied")
    assert is_there(owner)

    later(api, timedelta(days=30, seconds=1))
    assert owner.delete_object(Bucket="logs", Key=KEY, VersionId=version)["VersionId"] == version
    assert not is_there(owner)


def test_a_compliance_period_is_extended_and_never_shortened(api: ApiInThread, connect: Connect) -> None:
    with_rules(api, lock=LockRule(LockMode.COMPLIANCE, 30))
    owner = connect("s3")
    until = owner.get_object_retention(Bucket="logs", Key=KEY)["Retention"]["RetainUntilDate"]

    for changed in (
        {"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(days=1)},
        {"Mode": "GOVERNANCE", "RetainUntilDate": until + timedelta(days=1)},
        {},
    ):
        asked = {"Bucket": "logs", "Key": KEY, "Retention": changed, "BypassGovernanceRetention": True}
        assert refusal(owner.put_object_retention, **asked) == (403, "AccessDenied")
    extended = {"Mode": "COMPLIANCE", "RetainUntilDate": until + timedelta(days=1)}
    owner.put_object_retention(Bucket="logs", Key=KEY, Retention=extended)

    assert owner.get_object_retention(Bucket="logs", Key=KEY)["Retention"] == extended
    head = owner.head_object(Bucket="logs", Key=KEY)
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", until + timedelta(days=1))


def test_governance_mode_takes_the_permission_and_the_header(api: ApiInThread, connect: Connect) -> None:
    with_rules(api, lock=LockRule(LockMode.GOVERNANCE, 30))
    owner = connect("s3")
    version = version_of(owner)
    user = as_user(api, connect, "s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:GetObjectVersion")
    named = {"Bucket": "logs", "Key": KEY, "VersionId": version}

    assert refusal(owner.delete_object, **named) == (403, "AccessDenied")
    assert refusal(user.delete_object, **named, BypassGovernanceRetention=True) == (403, "AccessDenied")
    assert is_there(owner)

    owner.put_object_retention(Bucket="logs", Key=KEY, Retention={}, BypassGovernanceRetention=True)
    assert refusal(owner.get_object_retention, Bucket="logs", Key=KEY) == (404, "NoSuchObjectLockConfiguration")
    user.delete_object(**named)
    assert not is_there(owner)


def test_a_legal_hold_outlasts_every_period_and_bypass(api: ApiInThread, connect: Connect) -> None:
    with_rules(api, lock=LockRule(LockMode.GOVERNANCE, 1))
    owner = connect("s3")
    named = {"Bucket": "logs", "Key": KEY, "VersionId": version_of(owner)}
    owner.put_object_legal_hold(Bucket="logs", Key=KEY, LegalHold={"Status": "ON"})
    later(api, timedelta(days=2))

    assert owner.get_object_legal_hold(Bucket="logs", Key=KEY)["LegalHold"] == {"Status": "ON"}
    assert owner.head_object(Bucket="logs", Key=KEY)["ObjectLockLegalHoldStatus"] == "ON"
    assert refusal(owner.delete_object, **named, BypassGovernanceRetention=True) == (403, "AccessDenied")

    owner.put_object_legal_hold(Bucket="logs", Key=KEY, LegalHold={"Status": "OFF"})
    owner.delete_object(**named)
    assert not is_there(owner)


def test_mfa_delete_takes_the_owners_code_once(api: ApiInThread, connect: Connect) -> None:
    with_rules(api, needs_mfa_delete=True)
    api.do(api.world.identities.add_mfa_device(DEVICE))
    owner = connect("s3")
    named = {"Bucket": "logs", "Key": KEY, "VersionId": version_of(owner)}
    code = code_at(DEVICE.secret, step_at(api.world.clock.now()))
    wrong = "000000" if code != "000000" else "111111"

    for given in (
        {},
        {"MFA": DEVICE.serial_number},
        {"MFA": f"{DEVICE.serial_number} {wrong}"},
        {"MFA": f"arn:aws:iam::{ACCOUNT}:mfa/other {code}"},
    ):
        assert refusal(owner.delete_object, **named, **given) == (403, "AccessDenied")
    assert owner.get_bucket_versioning(Bucket="logs")["MFADelete"] == "Enabled"
    owner.delete_object(**named, MFA=f"{DEVICE.serial_number} {code}")

    assert not is_there(owner)
    api.do(api.world.bucket.put_if_absent(KEY, b"again", content_type=""))
    named["VersionId"] = version_of(owner)
    assert refusal(owner.delete_object, **named, MFA=f"{DEVICE.serial_number} {code}") == (403, "AccessDenied")
    assert code not in str([event for event in recorded(api.world) if event["eventName"] == "DeleteObject"])


def test_deleting_means_naming_a_version_and_having_a_rule(api: ApiInThread, connect: Connect) -> None:
    with_rules(api)
    owner = connect("s3")
    version = version_of(owner)
    named = {"Bucket": "logs", "Key": KEY}
    assert refusal(owner.delete_object, **named, VersionId=version) == (403, "AccessDenied")  # no rule says when

    api.world.archives.change(replace(an_archive(), lock=LockRule(LockMode.COMPLIANCE, 1)))

    assert refusal(owner.delete_object, **named) == (403, "AccessDenied")  # would leave a marker, in S3
    assert refusal(owner.delete_object, **named, VersionId="another") == (404, "NoSuchVersion")
    owner.delete_object(**named, VersionId=version)  # it was written before the rule
    assert refusal(owner.get_object, Bucket="logs", Key=KEY) == (404, "NoSuchKey")


def test_retention_that_cannot_be_is_refused(api: ApiInThread, connect: Connect) -> None:
    with_rules(api)
    owner = connect("s3")
    now = api.world.clock.now()
    named = {"Bucket": "logs", "Key": KEY}
    past = {"Mode": "COMPLIANCE", "RetainUntilDate": now - timedelta(days=1)}

    assert refusal(owner.put_object_retention, **named, Retention=past) == (400, "InvalidArgument")
    half = {"Mode": "COMPLIANCE"}
    assert refusal(owner.put_object_retention, **named, Retention=half) == (400, "MalformedXML")
    assert refusal(owner.put_object_legal_hold, **named, LegalHold={}) == (400, "MalformedXML")


def test_an_archive_without_rules_tells_what_it_does_not_have(api: ApiInThread, connect: Connect) -> None:
    with_rules(api)
    s3 = connect("s3")

    assert s3.get_bucket_versioning(Bucket="logs")["Status"] == "Enabled"
    assert s3.get_bucket_versioning(Bucket="logs")["MFADelete"] == "Disabled"
    assert "Rule" not in s3.get_object_lock_configuration(Bucket="logs")["ObjectLockConfiguration"]
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="logs")
    assert set(s3.get_public_access_block(Bucket="logs")["PublicAccessBlockConfiguration"].values()) == {True}
    for read, code in (
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_tagging, "NoSuchTagSet"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
    ):
        assert refusal(read, Bucket="logs") == (404, code)


def test_an_archives_rules_are_told_as_a_buckets_settings(api: ApiInThread, connect: Connect) -> None:
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
    with_rules(
        api,
        lock=LockRule(LockMode.COMPLIANCE, 365),
        expire_after_days=400,
        cold=ColdTier("/cold", 90),
        kms_key_arn=key,
    )
    s3 = connect("s3")

    lock = s3.get_object_lock_configuration(Bucket="logs")["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "COMPLIANCE", "Days": 365}
    rules = s3.get_bucket_lifecycle_configuration(Bucket="logs")["Rules"]
    assert [rule.get("Expiration") for rule in rules] == [{"Days": 400}, None]
    assert rules[1]["Transitions"] == [{"Days": 90, "StorageClass": "STANDARD_IA"}]
    encryption = s3.get_bucket_encryption(Bucket="logs")["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}


def test_a_cold_object_is_read_as_any_other_and_said_to_be_cold(api: ApiInThread, connect: Connect) -> None:
    with_rules(api, cold=ColdTier("/cold", 1))
    api.do(api.world.bucket.move_to_cold(KEY))  # type: ignore[attr-defined]
    s3 = connect("s3")

    assert s3.get_object(Bucket="logs", Key=KEY)["Body"].read() == b"0123456789"
    assert s3.head_object(Bucket="logs", Key=KEY)["StorageClass"] == "STANDARD_IA"
    assert [item["StorageClass"] for item in s3.list_objects_v2(Bucket="logs")["Contents"]] == ["STANDARD_IA"]


def test_an_encrypted_object_says_so_and_is_read_by_whom_its_key_lets(api: ApiInThread, connect: Connect) -> None:
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
    api.do(api.world.bucket.put_if_absent(KEY, b"0123456789", content_type="", kms_key_id=key))
    owner = connect("s3")
    user = as_user(api, connect, "s3:GetObject")
    api.world.bucket.refused_readers.add(a_user_principal().arn)  # type: ignore[attr-defined]

    found = owner.get_object(Bucket="logs", Key=KEY)
    assert found["Body"].read() == b"0123456789"
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", key)
    assert refusal(user.get_object, Bucket="logs", Key=KEY) == (403, "AccessDenied")
    assert user.head_object(Bucket="logs", Key=KEY)["SSEKMSKeyId"] == key


def test_versions_are_listed_in_pages(api: ApiInThread, connect: Connect) -> None:
    for number in range(5):
        api.do(api.world.bucket.put_if_absent(f"d/{number}.gz", b"x", content_type=""))
    s3 = connect("s3")

    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket="logs", PaginationConfig={"PageSize": 2}))

    assert [item["Key"] for page in pages for item in page["Versions"]] == [f"d/{number}.gz" for number in range(5)]
    assert all(item["IsLatest"] and item["VersionId"] for page in pages for item in page["Versions"])
    grouped = s3.list_object_versions(Bucket="logs", Delimiter="/")
    assert [item["Prefix"] for item in grouped["CommonPrefixes"]] == ["d/"]


def test_every_call_is_on_record_and_a_deletion_before_it_happens(api: ApiInThread, connect: Connect) -> None:
    with_rules(api, lock=LockRule(LockMode.GOVERNANCE, 30))
    owner = connect("s3")
    named = {"Bucket": "logs", "Key": KEY, "VersionId": version_of(owner)}
    refusal(owner.delete_object, **named)
    owner.put_object_legal_hold(Bucket="logs", Key=KEY, LegalHold={"Status": "OFF"})
    owner.delete_object(**named, BypassGovernanceRetention=True)

    seen = [(event["eventName"], event.get("errorCode")) for event in recorded(api.world)]

    assert seen == [
        ("HeadObject", None),
        ("DeleteObject", "AccessDenied"),
        ("PutObjectLegalHold", None),
        ("DeleteObject", None),
    ]
