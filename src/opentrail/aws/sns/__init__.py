"""SNS (2010-03-31): topics, subscriptions, messages.

No FIFO topics, text messages, mobile push, Firehose, KMS keys of topics, archives of messages or data protection.
"""

from opentrail.aws.service import Handler, Service
from opentrail.aws.sns.access import requirements
from opentrail.aws.sns.errors import InvalidParameterException
from opentrail.aws.sns.publishing import publish, publish_batch
from opentrail.aws.sns.subscriptions import (
    confirm_subscription,
    get_subscription_attributes,
    list_subscriptions,
    list_subscriptions_by_topic,
    set_subscription_attributes,
    subscribe,
    unsubscribe,
)
from opentrail.aws.sns.tags import list_tags_for_resource, tag_resource, untag_resource
from opentrail.aws.sns.topics import (
    add_permission,
    create_topic,
    delete_topic,
    get_topic_attributes,
    list_topics,
    remove_permission,
    set_topic_attributes,
)

SERVICE = Service(
    name="sns",
    handlers={
        "AddPermission": Handler(add_permission, is_change=True),
        "ConfirmSubscription": Handler(confirm_subscription, is_change=True),
        "CreateTopic": Handler(create_topic, is_change=True),
        "DeleteTopic": Handler(delete_topic, is_change=True),
        "GetSubscriptionAttributes": Handler(get_subscription_attributes),
        "GetTopicAttributes": Handler(get_topic_attributes),
        "ListSubscriptions": Handler(list_subscriptions),
        "ListSubscriptionsByTopic": Handler(list_subscriptions_by_topic),
        "ListTagsForResource": Handler(list_tags_for_resource),
        "ListTopics": Handler(list_topics),
        "Publish": Handler(publish),
        "PublishBatch": Handler(publish_batch),
        "RemovePermission": Handler(remove_permission, is_change=True),
        "SetSubscriptionAttributes": Handler(set_subscription_attributes, is_change=True),
        "SetTopicAttributes": Handler(set_topic_attributes, is_change=True),
        "Subscribe": Handler(subscribe, is_change=True),
        "TagResource": Handler(tag_resource, is_change=True),
        "UntagResource": Handler(untag_resource, is_change=True),
        "Unsubscribe": Handler(unsubscribe, is_change=True),
    },
    requirements=requirements,
    invalid_parameters=InvalidParameterException,
)
