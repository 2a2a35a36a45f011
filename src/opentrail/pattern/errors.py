"""What a pattern language refuses. Composed beside each rule; the API turns one into its service's error."""


class InvalidSelector(Exception):
    """Event selectors that CloudTrail refuses with InvalidEventSelectorsException; the message is for the caller."""
