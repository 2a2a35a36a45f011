"""Where metrics are kept (port: metric_store)."""
