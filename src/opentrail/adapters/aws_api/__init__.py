"""Implementations of the port ``aws_api``."""
