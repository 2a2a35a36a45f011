"""CloudTrail's own API, asked as its customers ask it: AWS's, or that of any endpoint that answers it."""
