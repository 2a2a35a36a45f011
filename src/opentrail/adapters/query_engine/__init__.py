"""Query engines: DuckDB in a process of its own."""
