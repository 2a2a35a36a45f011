"""What archives of event buses hold (port: event_archives): a file of the home for each archive."""
