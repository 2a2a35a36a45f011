"""How resources are shown to people: short where the short name finds them again, else by their whole ARN.

``short_name`` and ``spellings`` are each other's inverse by construction: what a table shows can be searched for.
"""

from opentrail.arn import Arn, partition_of

_GLOBAL_SERVICES = frozenset({"iam", "sts", "cloudfront", "route53", "organizations"})
"""Services whose ARNs name no Region."""

_ANONYMOUS_SERVICES = frozenset({"s3", "route53"})
"""Services whose ARNs name no account (and no Region)."""

_SERVICES_OF_TYPE = {
    "user": ("iam",),
    "role": ("iam",),
    "group": ("iam",),
    "policy": ("iam",),
    "instance-profile": ("iam",),
    "mfa": ("iam",),
    "oidc-provider": ("iam",),
    "saml-provider": ("iam",),
    "server-certificate": ("iam",),
    "assumed-role": ("sts",),
    "federated-user": ("sts",),
    "root": ("iam",),
    "trail": ("cloudtrail",),
    "channel": ("cloudtrail",),
    "eventdatastore": ("cloudtrail",),
    "key": ("kms",),
    "alias": ("kms",),
    "table": ("dynamodb",),
    "function": ("lambda",),
    "log-group": ("logs",),
    "secret": ("secretsmanager",),
    "parameter": ("ssm",),
    "document": ("ssm",),
    "instance": ("ec2",),
    "volume": ("ec2",),
    "snapshot": ("ec2", "rds"),
    "vpc": ("ec2",),
    "subnet": ("ec2",),
    "security-group": ("ec2",),
    "network-interface": ("ec2",),
    "db": ("rds",),
    "cluster": ("rds", "ecs", "eks"),
    "stack": ("cloudformation",),
    "rule": ("events",),
    "event-bus": ("events",),
    "stream": ("kinesis",),
    "repository": ("ecr",),
    "hostedzone": ("route53",),
    "distribution": ("cloudfront",),
}
"""What an ARN's resource part begins with, up to its slash or colon -> the services that have such resources."""

_SERVICES_WITHOUT_TYPE = ("s3", "sns", "sqs")
"""Services whose ARNs end in the bare name."""


def spellings(given: str, account_id: str, region: str) -> list[str]:
    """Return the names under which ``given`` may be on record in one account and Region, itself first."""
    if not given or given.startswith("arn:"):
        return [given]
    kind = given.replace(":", "/").partition("/")[0]
    services = (*_SERVICES_OF_TYPE.get(kind, ()), *_SERVICES_WITHOUT_TYPE)
    return [given, *(_arn(service, account_id, region, given) for service in services)]


def short_name(name: str, account_id: str, region: str) -> str:
    """Return an ARN's resource part when ``spellings`` of it leads back to ``name``, else ``name`` itself."""
    try:
        short = Arn.parse(name).resource
    except ValueError:
        return name
    return short if name in spellings(short, account_id, region) else name


def _arn(service: str, account_id: str, region: str, resource: str) -> str:
    account = "" if service in _ANONYMOUS_SERVICES else account_id
    place = "" if service in _GLOBAL_SERVICES or service in _ANONYMOUS_SERVICES else region
    return str(Arn(partition_of(region), service, place, account, resource))
