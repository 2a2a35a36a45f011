"""What a pattern language refuses. Composed beside each rule; the API turns one into its service's error."""


class InvalidPattern(Exception):
    """A rule that its language refuses; the message is for the caller."""


class InvalidSelector(InvalidPattern):
    """Event selectors that CloudTrail refuses with InvalidEventSelectorsException."""


class InvalidEventPattern(InvalidPattern):
    """An event pattern that EventBridge refuses with InvalidEventPatternException.

    The message is the reason alone, with the place in the pattern where EventBridge gives one.
    """


class InvalidFilterPolicy(InvalidPattern):
    """A filter policy that SNS refuses with InvalidParameter; the message is what follows ``FilterPolicy: ``."""


class InvalidFilterPattern(InvalidPattern):
    """A filter pattern that CloudWatch Logs refuses with InvalidParameterException."""


class InvalidSigmaRule(InvalidPattern):
    """A Sigma rule that cannot be read, or that says what no event can be asked."""
