"""Who is told of delivered log files (port: notices): SNS topics, and one webhook."""
