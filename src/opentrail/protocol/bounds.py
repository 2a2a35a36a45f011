"""What a request may be at most before it is refused, and the error that every reader of values raises."""

MAX_DEPTH = 128
"""Nesting of JSON, XML and CBOR values and of dotted query names. DynamoDB allows 32 levels of two values each."""
MAX_FORM_PAIRS = 10_000
"""Name-value pairs of a form body or query string."""
MAX_FORM_NODES = 100_000
"""Dotted parts of all names of one form, counted once where names share them; EC2's longest names have eight."""
MAX_CBOR_ITEMS = 200_000
"""Data items of one CBOR body. PutMetricData with a megabyte of values has 120,000."""
MAX_XML_NODES = 100_000
"""Elements of one XML document. CompleteMultipartUpload of 10,000 parts with checksums has half as many."""
MAX_INFLATED_BYTES = 1024 * 1024
"""What a body sent with ``Content-Encoding: gzip`` may inflate to: as much as a plain one. AWS's largest compressible
call takes 1 MB; 16 MB of empty JSON lists took 500 MB and kept the event loop for seconds."""


class MalformedValue(ValueError):
    """A value on the wire is not of the shape's type, or goes beyond a bound. The text is for the API caller."""


def check_depth(depth: int) -> None:
    """Raise MalformedValue below MAX_DEPTH."""
    if depth > MAX_DEPTH:
        raise MalformedValue("The request is nested too deeply.")
