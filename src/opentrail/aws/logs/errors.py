"""The errors of CloudWatch Logs' service model that our handlers raise: one class per shape, each text once."""

from opentrail.errors import AwsError


class InvalidParameterException(AwsError):
    """A parameter breaks a constraint of the model or a rule of its own; the message is the whole sentence."""
