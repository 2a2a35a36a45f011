"""Which destinations the guard lets through, with and without allowances of the operator's."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from opentrail.outgoing.endpoint import parse_endpoint
from opentrail.outgoing.guard import ANYWHERE, CredentialGuard, DestinationRefused, Guard, check_allowance


def refused(url: str, addresses: Sequence[str], allowances: Sequence[str] = ()) -> bool:
    try:
        Guard(allowances).check(parse_endpoint(url), [ip_address(each) for each in addresses])
    except DestinationRefused:
        return True
    return False


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "::ffff:10.0.0.1", "0.0.0.0"])
def test_a_name_that_leads_into_a_private_network_is_refused(address: str) -> None:
    assert refused("https://rebind.example/", [address])


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    assert refused("https://two.example/", ["8.8.8.8", "127.0.0.1"])
    assert refused("https://none.example/", [])


@pytest.mark.parametrize("port", [22, 25, 110, 445, 1023])
def test_ports_of_other_services_are_refused(port: int) -> None:
    assert refused(f"http://example.com:{port}/", ["8.8.8.8"])
    assert not refused(f"http://example.com:{port}/", ["8.8.8.8"], [f"example.com:{port}"])


@pytest.mark.parametrize("port", [80, 443, 8443])
def test_public_web_servers_are_called(port: int) -> None:
    assert not refused(f"https://example.com:{port}/", ["8.8.8.8", "2606:4700::1"])


@pytest.mark.parametrize(
    "allowance", ["10.1.0.0/16", "10.1.2.3", "10.1.2.3:8080", "Hooks.Internal", "*.internal", "hooks.internal:8080"]
)
def test_what_the_operator_allows_is_called(allowance: str) -> None:
    assert not refused("http://hooks.internal:8080/", ["10.1.2.3"], [allowance])


@pytest.mark.parametrize(
    "allowance", ["10.2.0.0/16", "10.1.2.3:80", "internal", "*.hooks.internal", "hooks.internal:443", "fd00::/8"]
)
def test_an_allowance_reaches_no_further_than_it_says(allowance: str) -> None:
    assert refused("http://hooks.internal:8080/", ["10.1.2.3"], [allowance])


def test_an_allowed_network_is_allowed_in_ipv6_spelling_too() -> None:
    assert not refused("http://[::ffff:10.1.2.3]/", ["::ffff:10.1.2.3"], ["10.1.0.0/16"])
    assert not refused("http://[fd00::1]:8080/", ["fd00::1"], ["[fd00::1]:8080"])


def test_what_the_settings_name_themselves_may_be_anywhere() -> None:
    ANYWHERE.check(parse_endpoint("http://127.0.0.1:25/"), [ip_address("127.0.0.1")])


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::ffff:169.254.1.1", "fd00:ec2::254"])
def test_a_name_in_the_settings_that_leads_to_a_clouds_own_services_is_refused(address: str) -> None:
    for addresses in ([address], ["8.8.8.8", address]):
        with pytest.raises(DestinationRefused, match="link-local"):
            ANYWHERE.check(parse_endpoint("https://hooks.example/"), [ip_address(each) for each in addresses])
    ANYWHERE.check(parse_endpoint("http://169.254.169.254/"), [ip_address("169.254.169.254")])
    ANYWHERE.check(parse_endpoint("https://hooks.internal/"), [ip_address("10.0.0.8"), ip_address("fd00::1")])


@pytest.mark.parametrize("text", ["", "http://a/", "10.0.0.0/33", "a b", "a:99999", "-a"])
def test_what_is_no_allowance_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_allowance(text)


def test_credentials_go_to_the_public_internet_over_https_alone() -> None:
    guard = CredentialGuard(["example.com", "10.0.0.0/8"])

    guard.check(parse_endpoint("https://example.com/"), [ip_address("8.8.8.8")])
    guard.check(parse_endpoint("http://hooks.internal/"), [ip_address("10.0.0.8")])
    for addresses in (["8.8.8.8"], ["10.0.0.8", "8.8.8.8"]):
        with pytest.raises(DestinationRefused, match="over https alone"):
            guard.check(parse_endpoint("http://example.com/"), [ip_address(each) for each in addresses])
    with pytest.raises(DestinationRefused, match=r"outgoing\.allow"):
        guard.check(parse_endpoint("https://other.internal/"), [ip_address("192.168.0.1")])
