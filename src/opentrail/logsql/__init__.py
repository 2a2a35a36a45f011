"""Logs Insights QL: a query's text in, one statement of the SQL engine out. Opens nothing and reads no clock.

Rules and differences from CloudWatch Logs: docs/languages/logs-insights.md.
"""
