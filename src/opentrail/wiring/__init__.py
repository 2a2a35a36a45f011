"""The one place that names concrete adapters and joins them: for a command, and for the server."""
