"""One Logs Insights query: what was asked, how it stands, and what it took."""

from dataclasses import dataclass

from opentrail.resource.query import KeptQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery(KeptQuery):
    """One query over ``log_groups`` (names) from ``start`` to ``end`` (s since 1970, both included).

    The types of its columns are ``double`` and ``varchar``; where rows are events (``is_grouped`` is false) the last
    column is ``@ptr``. Where ``result_key`` is set, the pages of the result are kept under that data key: its blob in
    base64, made for the log group or the query results of the ARN ``result_key_arn``.
    """

    log_groups: tuple[str, ...]
    text: str
    start: int
    end: int
    user: str = ""
    is_grouped: bool = False
    records_scanned: int = 0
    records_matched: int = 0
    result_key: str = ""
    result_key_arn: str = ""
