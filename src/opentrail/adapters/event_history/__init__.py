"""event_history."""
