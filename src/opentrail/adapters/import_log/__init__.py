"""Import logs (port: import_log)."""
