"""The machine itself (port: host)."""
