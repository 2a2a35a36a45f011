"""Adapters of the port ``key_names``."""
