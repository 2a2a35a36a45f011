"""The errors of CloudTrail's service model that our handlers raise: one class per shape, each text once."""

from collections.abc import Sequence

from opentrail.errors import AwsError


class TrailNotFoundException(AwsError):
    """No such trail in this account, or not in this Region under a bare name."""

    def __init__(self, trail: str, account_id: str) -> None:
        super().__init__(f"Unknown trail: {trail} for the user: {account_id}")


class TrailAlreadyExistsException(AwsError):
    """The name is taken in this account and Region."""

    def __init__(self, name: str, account_id: str) -> None:
        super().__init__(f"Trail {name} already exists for customer: {account_id}")


class MaximumNumberOfTrailsExceededException(AwsError):
    """A Region has as many trails, shadow trails included, as it may have."""

    def __init__(self, account_id: str, quota: int, region: str) -> None:
        super().__init__(f"User: {account_id} already has {quota} trails in {region}.")


class InvalidTrailNameException(AwsError):
    """The name breaks one of the rules for trail names."""

    @classmethod
    def too_short(cls, minimum: int, length: int) -> "InvalidTrailNameException":
        return cls(
            f"Trail name too short. Minimum allowed length: {minimum} characters. "
            f"Specified name length: {length} characters."
        )

    @classmethod
    def too_long(cls, maximum: int, length: int) -> "InvalidTrailNameException":
        return cls(
            f"Trail name too long. Maximum allowed length: {maximum} characters. "
            f"Specified name length: {length} characters."
        )

    @classmethod
    def bad_start(cls) -> "InvalidTrailNameException":
        return cls("Trail name must starts with a letter or number.")  # CloudTrail's own grammar

    @classmethod
    def bad_end(cls) -> "InvalidTrailNameException":
        return cls("Trail name must ends with a letter or number.")  # CloudTrail's own grammar

    @classmethod
    def bad_characters(cls) -> "InvalidTrailNameException":
        return cls(
            "Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), "
            "hyphens (-), and underscores (_)."
        )

    @classmethod
    def adjacent_punctuation(cls) -> "InvalidTrailNameException":
        return cls("Trail name cannot have adjacent periods (.), hyphens (-) or underscores (_).")

    @classmethod
    def ip_address(cls) -> "InvalidTrailNameException":
        return cls("Trail name cannot be formatted as an IP address.")


class CloudTrailARNInvalidException(AwsError):
    """The text is not the ARN of a trail."""

    @classmethod
    def malformed(cls, arn: str) -> "CloudTrailARNInvalidException":
        return cls(f"{arn[:300]} is not a valid trail ARN.")

    @classmethod
    def wrong_region(cls, region: str) -> "CloudTrailARNInvalidException":
        return cls(f"Region in ARN is wrong, you can only access resources in region {region}.")


class InvalidHomeRegionException(AwsError):
    """A trail can be changed in its home Region only."""

    def __init__(self, arn: str, home_region: str, region: str) -> None:
        super().__init__(
            f"The trail {arn} can only be changed from its home Region {home_region}; the call was made in {region}."
        )


class InvalidS3BucketNameException(AwsError):
    """S3 would not allow a bucket of this name."""

    def __init__(self, bucket: str) -> None:
        super().__init__(f"{bucket} is not a valid S3 bucket name.")


class InvalidS3PrefixException(AwsError):
    """The key prefix cannot be used."""

    @classmethod
    def too_long(cls, maximum: int) -> "InvalidS3PrefixException":
        return cls(f"The S3 key prefix is longer than {maximum} characters.")

    @classmethod
    def bad_slash(cls, prefix: str) -> "InvalidS3PrefixException":
        return cls(f"The S3 key prefix {prefix} must not start or end with a slash (/).")

    @classmethod
    def bad_characters(cls) -> "InvalidS3PrefixException":
        return cls("The S3 key prefix contains characters that cannot be used in it.")


class S3BucketDoesNotExistException(AwsError):
    """The bucket is not there."""

    def __init__(self, bucket: str) -> None:
        super().__init__(f"S3 bucket {bucket} does not exist!")


class InsufficientS3BucketPolicyException(AwsError):
    """The bucket does not let CloudTrail deliver."""

    def __init__(self, bucket: str) -> None:
        super().__init__(f"Incorrect S3 bucket policy is detected for bucket: {bucket}")


class InvalidSnsTopicNameException(AwsError):
    """The text is neither a topic's name nor a topic's ARN."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"{topic[:300]} is not a valid SNS topic name or ARN.")


class InsufficientSnsTopicPolicyException(AwsError):
    """The topic is not there, or does not let CloudTrail publish."""

    def __init__(self) -> None:
        super().__init__("SNS Topic does not exist or the topic policy is incorrect!")


class InvalidKmsKeyIdException(AwsError):
    """The text is neither a key id, a key ARN, an alias nor an alias ARN."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key[:400]} is not a valid KMS key id, key ARN, alias name or alias ARN.")


class KmsKeyNotFoundException(AwsError):
    """No such key, or not in the bucket's Region, or the event data store's."""

    def __init__(self, key: str, place: str = "S3 bucket") -> None:
        super().__init__(f"The KMS key {key} does not exist or is not in the Region of the {place}.")


class KmsException(AwsError):
    """The key cannot be used, or no key can be."""

    @classmethod
    def unusable(cls, key: str) -> "KmsException":
        return cls(f"The KMS key {key} cannot be used: it is missing, disabled or pending deletion.")

    @classmethod
    def fixed(cls, store: str, key: str) -> "KmsException":
        return cls(f"The event data store {store} is encrypted with {key}, which cannot be changed.")


class InsufficientEncryptionPolicyException(AwsError):
    """The key's policy, or the bucket's, does not let CloudTrail encrypt deliveries; or the key of an event data store,
    for which no bucket is named, may or can not be used."""

    def __init__(self, bucket: str, key_arn: str) -> None:
        bucket = f"S3 bucket {bucket} or " if bucket else ""
        super().__init__(f"Insufficient permissions to access {bucket}KMS key {key_arn}.")


class InvalidCloudWatchLogsLogGroupArnException(AwsError):
    """The log group's ARN is malformed, of another account or Region, or missing."""

    @classmethod
    def not_usable(cls) -> "InvalidCloudWatchLogsLogGroupArnException":
        return cls("Check the log group ARN: CloudTrail can't validate it.")

    @classmethod
    def unknown(cls) -> "InvalidCloudWatchLogsLogGroupArnException":
        return cls("CloudTrail cannot validate the specified log group ARN.")

    @classmethod
    def missing(cls) -> "InvalidCloudWatchLogsLogGroupArnException":
        return cls("You must specify a log group ARN as well as a role.")


class InvalidCloudWatchLogsRoleArnException(AwsError):
    """The role's ARN is malformed, of another account, or missing."""

    @classmethod
    def not_usable(cls, arn: str) -> "InvalidCloudWatchLogsRoleArnException":
        return cls(f"{arn[:600]} is not a valid ARN of an IAM role of this account.")

    @classmethod
    def not_trusting(cls) -> "InvalidCloudWatchLogsRoleArnException":
        return cls("Access denied. Check the trust relationships for your role.")

    @classmethod
    def not_permitted(cls) -> "InvalidCloudWatchLogsRoleArnException":
        return cls("Access denied. Verify in IAM that the role has adequate permissions.")

    @classmethod
    def missing(cls) -> "InvalidCloudWatchLogsRoleArnException":
        return cls("You must specify a role ARN as well as a log group.")


class CloudWatchLogsDeliveryUnavailableException(AwsError):
    """Events cannot be delivered to CloudWatch Logs here."""

    def __init__(self, region: str) -> None:
        super().__init__(f"CloudTrail cannot deliver to CloudWatch Logs in {region}.")


class OrganizationsNotInUseException(AwsError):
    """The account belongs to no organization."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"The account {account_id} is not a member of an organization.")


class NotOrganizationMasterAccountException(AwsError):
    """Organization trails are the management account's and its delegated administrators' to make and change."""

    def __init__(self) -> None:
        super().__init__(
            "You cannot configure or manage trails for an organization because this action requires being signed in "
            "with the management account."
        )


class InvalidParameterCombinationException(AwsError):
    """Parameters that exclude one another."""

    @classmethod
    def multi_region_without_global_events(cls) -> "InvalidParameterCombinationException":
        return cls("Multi-Region trail must include global service events.")

    @classmethod
    def trail_and_event_data_store(cls) -> "InvalidParameterCombinationException":
        return cls("You can specify either a trail or an event data store, but not both.")

    @classmethod
    def not_for_trails(cls, member: str) -> "InvalidParameterCombinationException":
        return cls(f"{member} can be specified for an event data store only.")

    @classmethod
    def not_for_event_data_stores(cls, member: str) -> "InvalidParameterCombinationException":
        return cls(f"{member} can be specified for a trail only.")

    @classmethod
    def context_keys_of_standard_events(cls) -> "InvalidParameterCombinationException":
        return cls("ContextKeySelectors require MaxEventSize Large.")

    @classmethod
    def aggregation_without_data_events(cls) -> "InvalidParameterCombinationException":
        return cls("AggregationConfigurations require a trail that logs data events.")


class InvalidParameterException(AwsError):
    """A parameter that is not valid here; the message says which."""

    @classmethod
    def nothing_to_update(cls) -> "InvalidParameterException":
        return cls("You must specify at least one parameter to update.")

    @classmethod
    def retention_too_long(cls, maximum: int, billing_mode: str) -> "InvalidParameterException":
        return cls(f"RetentionPeriod must not exceed {maximum} days for the billing mode {billing_mode}.")

    @classmethod
    def billing_mode_change(cls, before: str, after: str) -> "InvalidParameterException":
        return cls(f"BillingMode cannot be changed from {before} to {after}.")

    @classmethod
    def ingestion_not_stoppable(cls, category: str) -> "InvalidParameterException":
        return cls(f"StartIngestion cannot be false for the event category {category}.")

    @classmethod
    def no_organization_category(cls, category: str) -> "InvalidParameterException":
        return cls(f"An organization event data store cannot collect events of the category {category}.")

    @classmethod
    def bad_destination(cls, kind: str) -> "InvalidParameterException":
        return cls(f"The destination type {kind} is not valid. The valid value is: EVENT_DATA_STORE")

    @classmethod
    def repeated_destination(cls, arn: str) -> "InvalidParameterException":
        return cls(f"The destination {arn} is specified more than once.")

    @classmethod
    def no_target(cls) -> "InvalidParameterException":
        return cls("You must specify a trail or an event data store.")

    @classmethod
    def no_event_data_store(cls, given: str) -> "InvalidParameterException":
        return cls(f"The event data store {given} was not found.")

    @classmethod
    def inactive_event_data_store(cls, arn: str) -> "InvalidParameterException":
        return cls(f"The event data store {arn} is not enabled.")

    @classmethod
    def no_insights_source(cls, arn: str, category: str) -> "InvalidParameterException":
        return cls(f"The event data store {arn} collects {category} events; Insights are found in management events.")

    @classmethod
    def no_insights_destination(cls) -> "InvalidParameterException":
        return cls("You must specify InsightsDestination to enable Insights on an event data store.")

    @classmethod
    def bad_insights_destination(cls, arn: str, category: str) -> "InvalidParameterException":
        return cls(f"{arn}, of category {category}, is not an event data store of Insights events of this account.")

    @classmethod
    def no_store_configuration(cls) -> "InvalidParameterException":
        return cls("You must specify MaxEventSize or ContextKeySelectors for an event data store.")

    @classmethod
    def repeated_context_type(cls) -> "InvalidParameterException":
        return cls("ContextKeySelectors must not have a Type twice.")

    @classmethod
    def repeated_context_key(cls) -> "InvalidParameterException":
        return cls("A context key selector must not have a key twice.")

    @classmethod
    def not_a_context_key(cls, key: str) -> "InvalidParameterException":
        return cls(f"{key} is not a context key that events can be enriched with.")

    @classmethod
    def no_event_configuration(cls) -> "InvalidParameterException":
        return cls("You must specify AggregationConfigurations for a trail.")

    @classmethod
    def repeated_template(cls) -> "InvalidParameterException":
        return cls("An aggregation template is specified more than once.")


class OperationNotPermittedException(AwsError):
    """The operation is not allowed on this resource."""

    @classmethod
    def too_many_trails(cls, account_id: str, quota: int, region: str) -> "OperationNotPermittedException":
        return cls(f"User: {account_id} already has {quota} trails in {region}.")

    @classmethod
    def too_many_stores(cls, account_id: str, quota: int, region: str) -> "OperationNotPermittedException":
        return cls(f"The account {account_id} already has {quota} event data stores in {region}.")

    @classmethod
    def no_tag_context(cls) -> "OperationNotPermittedException":
        return cls("This installation knows no tags of resources and principals: TagContext cannot be selected.")

    @classmethod
    def unknown_context_key(cls, key: str) -> "OperationNotPermittedException":
        return cls(f"This installation cannot tell the value of the context key {key}.")

    @classmethod
    def administrator_of_settings(cls, account_id: str) -> "OperationNotPermittedException":
        return cls(
            f"The account {account_id} is a delegated administrator by the settings of this installation, which its "
            "operator changes."
        )

    @classmethod
    def under_legal_hold(cls, arn: str) -> "OperationNotPermittedException":
        return cls(f"The event data store {arn} is under a legal hold and cannot be deleted.")

    @classmethod
    def import_by_management_account_only(cls, arn: str) -> "OperationNotPermittedException":
        return cls(
            f"Only the management account can import events into the event data store {arn} of its organization."
        )

    @classmethod
    def not_in_home_region(cls, arn: str, home_region: str) -> "OperationNotPermittedException":
        return cls(f"The resource {arn} can only be changed from its home Region {home_region}.")


class InvalidEventSelectorsException(AwsError):
    """The selectors break a rule; the message says which."""

    @classmethod
    def none_given(cls) -> "InvalidEventSelectorsException":
        return cls("You must specify either EventSelectors or AdvancedEventSelectors.")

    @classmethod
    def both_given(cls) -> "InvalidEventSelectorsException":
        return cls("You can specify EventSelectors or AdvancedEventSelectors, but not both.")

    @classmethod
    def other_category(cls, category: str) -> "InvalidEventSelectorsException":
        return cls(f"The event category of the event data store, {category}, cannot be changed.")


class InvalidInsightSelectorsException(AwsError):
    """The Insight selectors break a rule; the message says which."""

    @classmethod
    def unknown_type(cls, insight_type: str, known: Sequence[str]) -> "InvalidInsightSelectorsException":
        return cls(f"Value {insight_type[:100]} for InsightType is invalid. Valid values are: {', '.join(known)}")

    @classmethod
    def unknown_category(cls, category: str, known: Sequence[str]) -> "InvalidInsightSelectorsException":
        return cls(f"Value {category[:100]} for EventCategories is invalid. Valid values are: {', '.join(known)}")

    @classmethod
    def repeated(cls, value: str) -> "InvalidInsightSelectorsException":
        return cls(f"{value[:300]} is specified more than once.")

    @classmethod
    def not_logged(cls, insight_type: str, wanted: str) -> "InvalidInsightSelectorsException":
        return cls(f"{insight_type} requires a trail that logs {wanted} events.")

    @classmethod
    def not_of_event_data_stores(cls, categories: str) -> "InvalidInsightSelectorsException":
        return cls(f"Event data stores have Insights of Management events only, not of {categories}.")

    @classmethod
    def not_collected(cls, insight_type: str) -> "InvalidInsightSelectorsException":
        return cls(f"{insight_type} requires an event data store that collects the management events it is found in.")


class InsightNotEnabledException(AwsError):
    """The trail or event data store has no Insight selectors."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"Insights are not enabled on {arn}.")


class ResourceNotFoundException(AwsError):
    """No such resource in this account and Region."""

    def __init__(self, resource_id: str) -> None:
        super().__init__(f"The resource {resource_id} was not found in this account and Region.")


class EventDataStoreARNInvalidException(AwsError):
    """The text is neither the ARN nor the id of an event data store."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"{arn[:300]} is not a valid event data store ARN or id.")


class EventDataStoreNotFoundException(AwsError):
    """No such event data store."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The event data store {arn} was not found.")


class ChannelNotFoundException(AwsError):
    """No such channel."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The channel {arn} was not found.")


class ResourceTypeNotSupportedException(AwsError):
    """CloudTrail has no tags on resources of this type."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The type of the resource {arn} is not supported by this operation.")


class InvalidTagParameterException(AwsError):
    """A tag breaks a rule; the message says which."""

    @classmethod
    def duplicate_key(cls, key: str) -> "InvalidTagParameterException":
        return cls(f"The tag key {key} is specified more than once.")

    @classmethod
    def bad_characters(cls, text: str) -> "InvalidTagParameterException":
        return cls(f"The tag key or value {text} contains characters that are not allowed.")

    @classmethod
    def too_many(cls, quota: int) -> "InvalidTagParameterException":
        return cls(f"A resource can have at most {quota} tags.")

    @classmethod
    def reserved_prefix(cls, key: str) -> "InvalidTagParameterException":
        return cls(f"The tag key {key} starts with aws:, which is reserved.")


class TagsLimitExceededException(AwsError):
    """A resource would get more tags than it may have."""

    def __init__(self, quota: int) -> None:
        super().__init__(f"A resource can have at most {quota} tags.")


class InvalidTokenException(AwsError):
    """A page token where none was given out."""

    def __init__(self) -> None:
        super().__init__("The token is not valid.")


class InvalidNextTokenException(AwsError):
    """The page token is garbage or belongs to another lookup."""

    def __init__(self) -> None:
        super().__init__("The NextToken is not valid, or was given out for other parameters.")


class InvalidTimeRangeException(AwsError):
    """The range ends before it starts."""

    def __init__(self) -> None:
        super().__init__("The start time must not be later than the end time.")


class InvalidMaxResultsException(AwsError):
    """A page size out of range."""

    def __init__(self, maximum: int) -> None:
        super().__init__(f"MaxResults must be between 1 and {maximum}.")


class InvalidEventCategoryException(AwsError):
    """LookupEvents knows no such category."""

    def __init__(self, category: str) -> None:
        super().__init__(f"{category[:100]} is not a valid event category. The valid value is: insight.")


class InvalidLookupAttributesException(AwsError):
    """A lookup attribute that cannot be looked up."""

    @classmethod
    def unknown_key(cls, key: str, known: str) -> "InvalidLookupAttributesException":
        return cls(f"{key[:100]} is not a valid lookup attribute key. Valid keys are: {known}.")

    @classmethod
    def too_long(cls, maximum: int) -> "InvalidLookupAttributesException":
        return cls(f"A lookup attribute value can have at most {maximum} characters.")

    @classmethod
    def too_many(cls, maximum: int) -> "InvalidLookupAttributesException":
        return cls(f"At most {maximum} lookup attributes can be combined.")

    @classmethod
    def incomplete(cls) -> "InvalidLookupAttributesException":
        return cls("A lookup attribute needs a key and a value.")
