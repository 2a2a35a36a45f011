"""Paths as services see them."""

import pytest

from opentrail.http_message import HttpRequest
from opentrail.protocol.paths import object_path, object_segments, service_segments, virtual_host_bucket


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("logs.s3.amazonaws.com", "logs"),
        ("a.b.s3.eu-west-1.amazonaws.com", "a.b"),
        ("logs.s3-eu-west-1.amazonaws.com", "logs"),
        ("logs.s3.dualstack.eu-west-1.amazonaws.com:443", "logs"),
        ("logs--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com", "logs--use1-az4--x-s3"),
        ("logs.localhost", "logs"),
        ("logs.localhost:4700", "logs"),
        ("s3.amazonaws.com", ""),
        ("s3.eu-west-1.amazonaws.com", ""),
        ("localhost:4700", ""),
        ("127.0.0.1:4700", ""),
        ("[::1]:4700", ""),
        ("minio.example.com", ""),
        ("", ""),
        ("." * 300, ""),
    ],
)
def test_the_bucket_in_a_host(host: str, bucket: str) -> None:
    assert virtual_host_bucket(host) == bucket


def test_a_bucket_in_the_host_comes_before_the_path() -> None:
    hosted = HttpRequest("GET", "/a//b?x", (("Host", "logs.s3.amazonaws.com"),), b"", "")
    absolute = HttpRequest("GET", "http://127.0.0.1:4700/logs/a", (("Host", "127.0.0.1:4700"),), b"", "")

    assert object_path(hosted) == "/logs/a//b"
    assert object_path(absolute) == "/logs/a"


def test_keys_keep_slashes_and_dots_where_other_paths_do_not() -> None:
    assert object_segments("/logs/a//b/../c/") == ("logs", "a//b/../c/")
    assert object_segments("/logs/") == ("logs",)
    assert object_segments("/") == ()
    assert service_segments("/a//b/../c/./d/") == ("a", "c", "d")
    assert service_segments("/../..") == ()
