"""The events of log groups (port: log_store)."""
