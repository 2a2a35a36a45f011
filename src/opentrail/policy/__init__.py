"""IAM policies: reading their documents and judging requests by them. Pure: nothing is opened, no clock is read."""
