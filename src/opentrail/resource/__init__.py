"""The resources of CloudTrail's API as values: the trail and what hangs on it."""
