"""Journals: on this machine's disk, and the one that another process on it owns (format: docs/formats/journal.md)."""
