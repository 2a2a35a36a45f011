"""Finding topics and subscriptions that calls name, what a caller must be allowed, and what a topic's policy says."""

from opentrail.arn import Arn
from opentrail.aws.authorization import access_request
from opentrail.aws.service import ApiPorts, Call, Requirement
from opentrail.aws.sns.errors import AuthorizationErrorException, InvalidParameterException, NotFoundException
from opentrail.policy.document import MalformedPolicy, parse_policy
from opentrail.policy.evaluation import Decision, evaluate
from opentrail.resource.topic import Subscription, Topic, is_subscription_arn, is_topic_arn, topic_arn, topic_of

_LISTS = frozenset({"ListSubscriptions", "ListTopics"})


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs: ``sns:<Operation>`` on the topic it is about."""
    name, given = call.operation.name, call.parameters
    action = "sns:Publish" if name == "PublishBatch" else f"sns:{name}"
    if name in _LISTS:
        return (Requirement(action, "*"),)
    if name == "CreateTopic":
        topic = topic_arn(call.region, call.account_id, given["Name"])
        tagging = (Requirement("sns:TagResource", topic),) if given.get("Tags") else ()
        return (Requirement(action, topic), *tagging)
    if "SubscriptionArn" in given:
        return (Requirement(action, topic_of(given["SubscriptionArn"]) or "*"),)
    named = given.get("TopicArn") or given.get("TargetArn") or given.get("ResourceArn") or "*"
    return (Requirement(action, named),)


async def find_topic(ports: ApiPorts, call: Call, arn: str) -> Topic:
    """Return the topic that the call names, if its policy lets the caller do what the call asks.

    Raises InvalidParameter, NotFound and AuthorizationError.
    """
    _check_place(call, arn, "TopicArn", is_right=is_topic_arn(arn))
    topic = await ports.topic_store.topic(arn)
    is_own = Arn.parse(arn).account_id == call.account_id
    if topic is None:
        if not is_own:
            raise AuthorizationErrorException(call.caller.arn, _action(call), arn)
        raise NotFoundException.topic()
    decision = _judge(call, topic)
    if decision is Decision.EXPLICIT_DENY or (decision is not Decision.ALLOW and not is_own):
        raise AuthorizationErrorException(call.caller.arn, _action(call), arn)
    return topic


async def find_subscription(ports: ApiPorts, call: Call, arn: str) -> Subscription:
    """Return the subscription that the call names, of the caller's account or to a topic of it.

    Raises InvalidParameter, NotFound and AuthorizationError.
    """
    _check_place(call, arn, "SubscriptionArn", is_right=is_subscription_arn(arn))
    subscription = await ports.topic_store.subscription(arn)
    if subscription is None:
        raise NotFoundException.subscription()
    if call.account_id not in (subscription.account_id, Arn.parse(arn).account_id):
        raise AuthorizationErrorException(call.caller.arn, _action(call), arn)
    return subscription


def _check_place(call: Call, arn: str, member: str, *, is_right: bool) -> None:
    if not is_right:
        raise InvalidParameterException(
            f"{member} Reason: An ARN must have at least 6 elements, not {arn.count(':') + 1}"
        )
    if Arn.parse(arn).region != call.region:
        raise InvalidParameterException(member)


def _action(call: Call) -> str:
    return "SNS:Publish" if call.operation.name == "PublishBatch" else f"SNS:{call.operation.name}"


def _judge(call: Call, topic: Topic) -> Decision:
    """Ask the topic's policy; one that cannot be read lets nobody in, and keeps nobody of the topic's account out."""
    policy = topic.attributes.get("Policy", "")
    if not policy:
        return Decision.IMPLICIT_DENY
    try:
        document = parse_policy(policy)
    except MalformedPolicy:
        return Decision.IMPLICIT_DENY
    owner = {"AWS:SourceOwner": (call.account_id,), "sns:Endpoint": (call.parameters.get("Endpoint", ""),)}
    protocol = {"sns:Protocol": (call.parameters.get("Protocol", ""),)}
    return evaluate([document], access_request(call, Requirement(_action(call), topic.arn, owner | protocol)))
