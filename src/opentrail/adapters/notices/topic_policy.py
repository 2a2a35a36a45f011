"""Whether a topic's policy lets CloudTrail publish (reference: trails-and-delivery, section 2)."""

from opentrail.arn import Arn
from opentrail.policy.document import MalformedPolicy, parse_policy
from opentrail.policy.evaluation import AccessRequest, Decision, RequestPrincipal, evaluate

_CLOUDTRAIL = RequestPrincipal(service="cloudtrail.amazonaws.com")


def allows_publishing(policy: str, topic_arn: str, trail_arn: str) -> bool:
    """Say whether ``policy`` lets the service CloudTrail, for this trail, publish to the topic.

    The policy that SNS itself gives a topic lets everybody in who acts for the topic's account
    (``aws:SourceOwner``), so it does for a trail of that account. A policy that cannot be read allows nothing.
    """
    try:
        document = parse_policy(policy)
    except MalformedPolicy:
        return False
    account_id = Arn.parse(trail_arn).account_id
    context = {
        "aws:SourceArn": [trail_arn],
        "aws:SourceAccount": [account_id],
        "aws:SourceOwner": [account_id],
        "aws:SecureTransport": ["true"],
    }
    request = AccessRequest("sns:Publish", topic_arn, context, _CLOUDTRAIL)
    return evaluate([document], request) is Decision.ALLOW
