"""Witnesses (port: witness): a locked bucket elsewhere, a time-stamp service, an append-only webhook, a kept copy."""
