"""Patterns: every language that picks events, read into one small predicate algebra and matched by one matcher."""
