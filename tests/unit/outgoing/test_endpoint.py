"""How URLs are taken apart: what could be read in two ways is no URL."""

import pytest

from opentrail.outgoing.endpoint import UnusableUrl, parse_endpoint


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://example.com", "example.com", 443, "/"),
        ("HTTPS://EXAMPLE.com./a?b=c", "example.com", 443, "/a?b=c"),
        ("http://example.com:8080/a%20b", "example.com", 8080, "/a%20b"),
        ("https://[2606:4700:0:0:0:0:0:1111]/x", "2606:4700::1111", 443, "/x"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "/"),
        ("http://127.0.0.1/", "127.0.0.1", 80, "/"),
        ("http://example.com/#fragment", "example.com", 80, "/"),
    ],
)
def test_a_url_is_read_as_every_client_reads_it(url: str, host: str, port: int, target: str) -> None:
    endpoint = parse_endpoint(url)

    assert (endpoint.host, endpoint.port, endpoint.target) == (host, port, target)


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.0x1/",
        "http://127.0.0.1.2/",
        "http://example.0x7f/",
        "http://[::1%25lo]/",
        "http://[fe80::1%eth0]/",
        "http://[127.0.0.1]/",
        "http://[::1/",
        "http://%31%32%37.0.0.1/",
        "http://user@a@127.0.0.1/",
        "http://example.com:80:80/",
        "http://example.com:/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:８０/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com/a b",
        "http://example.com/\r\nHost: x",
        "http://exa\tmple.com/",
        "http://example.com/é",
        "http:///path",
        "http:example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "http://-a.example/",
        "http://a..b/",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(UnusableUrl) as refused:
        parse_endpoint(url)

    assert url not in str(refused.value)


def test_full_width_digits_become_the_address_that_they_spell() -> None:
    assert str(parse_endpoint("http://１２７.0.0.1/").address) == "127.0.0.1"


def test_the_host_stands_behind_user_name_and_password() -> None:
    endpoint = parse_endpoint("https://example.com:secret%20word@127.0.0.1/x")

    assert str(endpoint.address) == "127.0.0.1"
    assert endpoint.authorization == "Basic ZXhhbXBsZS5jb206c2VjcmV0IHdvcmQ="
    assert "secret" not in endpoint.url
