"""Who is believed about where a call came from."""

import pytest

from opentrail.capture.peers import TrustedProxies


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, unknown, 10.2.3.4"], "10.2.3.4"),
        ("10.0.0.1", ["10.1.1.1, 10.2.3.4"], "10.1.1.1"),
        ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.1:1234"], "198.51.100.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("fd00::1", ["2001:db8::2"], "2001:db8::2"),
        ("not an address", ["198.51.100.1"], "not an address"),
    ],
)
def test_the_caller_is_the_last_address_that_no_trusted_proxy_has(peer: str, forwarded: list[str], caller: str) -> None:
    headers = tuple(("X-Forwarded-For", value) for value in forwarded)

    assert TrustedProxies(["10.0.0.0/8", "fd00::/8"]).caller(peer, headers)[0] == caller


def test_only_a_trusted_proxy_may_say_that_tls_was_spoken() -> None:
    proxies, headers = TrustedProxies(["10.0.0.0/8"]), (("X-Forwarded-Proto", "https"),)

    assert proxies.caller("10.0.0.1", headers)[1]
    assert not proxies.caller("192.0.2.1", headers)[1]
