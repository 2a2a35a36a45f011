"""Whether a trail's bucket, key and role let it deliver: each is tried, as a delivery would."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from opentrail.admin.doctor.findings import Fault, Finding
from opentrail.arn import Arn
from opentrail.policy.document import MalformedPolicy, parse_policy
from opentrail.policy.evaluation import AccessRequest, Decision, RequestPrincipal, evaluate
from opentrail.ports import PortError, Unavailable
from opentrail.ports.archives import Archives
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.key_ring import (
    CLOUDTRAIL_PRINCIPAL,
    KeyAccessRefused,
    KeyDisabled,
    KeyNotFound,
    KeyRing,
    check_delivery_key,
)
from opentrail.ports.notices import NoticeRefused, ReceiverNotFound, Topics
from opentrail.ports.object_store import AccessRefused, BucketNotFound, ObjectStores
from opentrail.resource.delivery_layout import DIGEST_FOLDER, LOG_FILE_FOLDER, account_prefix
from opentrail.resource.trail import Trail


@dataclass(frozen=True)
class Destinations:
    """The ports that deliveries go through. ``has_upstream`` is False while buckets elsewhere cannot be reached, as
    without a server whose upstream it starts itself; ``topics`` is None where nobody is to be asked."""

    stores: ObjectStores
    archives: Archives
    key_ring: KeyRing
    identities: IdentityStore
    topics: Topics | None
    has_upstream: bool
    has_own_roles: bool = True

    async def check(self, trail: Trail) -> AsyncIterator[Finding]:
        """Yield what keeps ``trail`` from delivering. May leave the empty objects that mark its folders."""
        is_archive = self.archives.get(trail.s3_bucket_name) is not None
        key_finding = await self._check_key(trail) if is_archive and trail.kms_key_id else None
        if key_finding is not None:
            yield key_finding
        elif is_archive or self.has_upstream:
            bucket_finding = await self._check_bucket(trail)
            if bucket_finding is not None:
                yield bucket_finding
        if trail.cloud_watch_logs_role_arn and self.has_own_roles:
            role_finding = await self._check_role(trail)
            if role_finding is not None:
                yield role_finding
        if trail.sns_topic_arn and self.topics is not None:
            topic_finding = await self._check_topic(trail, self.topics)
            if topic_finding is not None:
                yield topic_finding

    async def _check_bucket(self, trail: Trail) -> Finding | None:
        bucket = trail.s3_bucket_name
        base = account_prefix(trail.s3_key_prefix, trail.account_id, trail.organization_id)
        folders = (LOG_FILE_FOLDER, DIGEST_FOLDER) if trail.is_log_file_validation_enabled else (LOG_FILE_FOLDER,)
        try:
            for folder in folders:
                store = self.stores.bucket(bucket)
                await store.check_delivery(f"{base}{folder}/", trail.arn, kms_key_id=trail.kms_key_id)
        except BucketNotFound:
            mend = f"opentrail archive create {bucket}, or aws s3 mb s3://{bucket}"
            return Finding(Fault.BUCKET_MISSING, trail.name, f"its bucket {bucket} does not exist", mend)
        except AccessRefused as error:
            return _refused(trail, error)
        except Unavailable as error:
            mend = f"see that the store answers: aws s3 ls s3://{bucket}"
            return Finding(Fault.BUCKET_SILENT, trail.name, f"its bucket {bucket} does not answer: {error}", mend)
        return None

    async def _check_key(self, trail: Trail) -> Finding | None:
        key = trail.kms_key_id
        try:
            await check_delivery_key(self.key_ring, key, trail.arn)
        except KeyNotFound:
            mend = f"aws cloudtrail update-trail --name {trail.name} --kms-key-id KEY, with a key that is there"
            return Finding(Fault.KEY_MISSING, trail.name, f"its key {key} does not exist", mend)
        except KeyDisabled as error:
            mend = f"aws kms enable-key --key-id {key}"
            return Finding(Fault.KEY_DISABLED, trail.name, f"its key cannot be used: {error}", mend)
        except KeyAccessRefused as error:
            return _key_policy(trail, str(error))
        except PortError as error:
            return Finding(Fault.KEY_MISSING, trail.name, f"its key {key} cannot be used: {error}", "try again")
        return None

    async def _check_role(self, trail: Trail) -> Finding | None:
        role_arn = trail.cloud_watch_logs_role_arn
        arn = Arn.parse(role_arn)
        name = arn.resource.rpartition("/")[2]
        role = await self.identities.role(arn.account_id, name)
        mend = f"opentrail roles create {name} --trust FILE, where FILE lets {CLOUDTRAIL_PRINCIPAL} sts:AssumeRole"
        if role is None:
            return Finding(Fault.ROLE, trail.name, f"its role {role_arn} does not exist", mend)
        request = AccessRequest("sts:AssumeRole", role_arn, principal=RequestPrincipal(service=CLOUDTRAIL_PRINCIPAL))
        try:
            is_trusted = evaluate([parse_policy(role.trust_policy)], request) is Decision.ALLOW
        except MalformedPolicy:
            is_trusted = False
        if is_trusted:
            return None
        return Finding(Fault.ROLE, trail.name, f"its role {name} does not trust {CLOUDTRAIL_PRINCIPAL}", mend)

    async def _check_topic(self, trail: Trail, topics: Topics) -> Finding | None:
        try:
            await topics.check_topic(trail.sns_topic_arn, trail.arn)
        except ReceiverNotFound:
            mend = f"aws cloudtrail update-trail --name {trail.name} --sns-topic-name TOPIC, with a topic that is there"
            return Finding(Fault.TOPIC, trail.name, f"its topic {trail.sns_topic_arn} does not exist", mend)
        except NoticeRefused as error:
            mend = (
                f"aws sns set-topic-attributes --topic-arn {trail.sns_topic_arn} --attribute-name Policy "
                f"--attribute-value file://POLICY, which lets {CLOUDTRAIL_PRINCIPAL} sns:Publish (docs/destinations.md)"
            )
            return Finding(Fault.TOPIC, trail.name, f"its topic does not let CloudTrail publish: {error}", mend)
        except PortError as error:
            return Finding(Fault.TOPIC, trail.name, f"its topic does not answer: {error}", "see that SNS answers")
        return None


def _refused(trail: Trail, error: AccessRefused) -> Finding:
    if error.code in {"KMS.DisabledException", "KMS.KMSInvalidStateException"}:
        mend = f"aws kms enable-key --key-id {trail.kms_key_id}"
        return Finding(Fault.KEY_DISABLED, trail.name, f"its key cannot be used: {error}", mend)
    if error.code == "KMS.NotFoundException":
        mend = f"aws cloudtrail update-trail --name {trail.name} --kms-key-id KEY, with a key that is there"
        return Finding(Fault.KEY_MISSING, trail.name, f"its key {trail.kms_key_id} does not exist", mend)
    if error.code.startswith("KMS."):
        return _key_policy(trail, str(error))
    bucket = trail.s3_bucket_name
    return Finding(
        Fault.BUCKET_POLICY,
        trail.name,
        f"its bucket {bucket} does not let CloudTrail write: {error}",
        f"aws s3api put-bucket-policy --bucket {bucket} --policy file://POLICY, which lets {CLOUDTRAIL_PRINCIPAL} "
        "s3:GetBucketAcl and s3:PutObject (docs/destinations.md)",
    )


def _key_policy(trail: Trail, error: str) -> Finding:
    return Finding(
        Fault.KEY_POLICY,
        trail.name,
        f"the policy of its key does not let CloudTrail encrypt: {error}",
        f"aws kms put-key-policy --key-id {trail.kms_key_id} --policy-name default --policy file://POLICY, which lets "
        f"{CLOUDTRAIL_PRINCIPAL} kms:GenerateDataKey* and kms:DescribeKey",
    )
