"""The trail that the validation benchmark is about, apart from what serves it, so that neither side pays for that."""

from datetime import UTC, datetime

from opentrail.resource.trail import Trail

ACCOUNT, REGION, BUCKET = "123456789012", "us-east-1", "logs"
TRAIL = Trail(f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/bench", "bench", ACCOUNT, REGION, BUCKET)
START_TIME = datetime(2026, 6, 1, tzinfo=UTC)
