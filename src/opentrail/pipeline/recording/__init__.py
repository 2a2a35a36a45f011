"""Recorders: where the gateway puts the calls it passes on (``CallRecorder``), and what a start makes good.

``fail-closed`` has a call on disk before it goes upstream and its result before the caller has the whole answer.
``fail-open`` records off the request path and says where it lost something.
"""

from opentrail.pipeline.recording.fail_closed import FailClosedRecorder
from opentrail.pipeline.recording.fail_open import FailOpenRecorder
from opentrail.pipeline.recording.recovery import record_gap, record_unclean_stop, recover_abandoned_calls

__all__ = ["FailClosedRecorder", "FailOpenRecorder", "record_gap", "record_unclean_stop", "recover_abandoned_calls"]
