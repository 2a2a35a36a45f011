"""Sources of log files outside of buckets (port: log_source)."""
