"""CloudWatch's arithmetic: what a metric got, its statistics, metric math, and when an alarm is in which state."""
