"""Query logs: where queries and their results are kept."""
