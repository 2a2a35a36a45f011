"""Stand-ins for an AWS-compatible upstream, so that a newcomer has something to call."""
