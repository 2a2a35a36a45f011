"""HTTP/2 (RFC 9113) on either side of the gateway.

Every stream looks like a connection of its own that speaks HTTP/1.1: ``stream`` turns what is written to it into frames
and what arrives into the bytes that HTTP/1.1 would have. So a call over HTTP/2 takes the very path of any other.
"""

PREFACE_HEAD = b"PRI * HTTP/2.0\r\n\r\n"
"""What a client that speaks HTTP/2 sends first, as far as it looks like a head (RFC 9113 section 3.4)."""
