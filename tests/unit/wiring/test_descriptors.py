"""Listeners together never take the descriptors that the stores need."""

import resource

import pytest

from opentrail.wiring.descriptors import RESERVED, WANTED, claim_descriptors, share_of


def test_the_soft_limit_is_raised_as_far_as_the_hard_one_lets(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: taken.append(limits))

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1_000_000))
    assert claim_descriptors() == WANTED
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert claim_descriptors() == 4096
    monkeypatch.setattr(resource, "getrlimit", lambda _: (20_000, 20_000))
    assert claim_descriptors() == 20_000
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert claim_descriptors() == WANTED

    assert taken == [(WANTED, 1_000_000), (4096, 4096)]


@pytest.mark.parametrize("limit", [1024, 4096, WANTED, 100_000])
def test_both_listeners_leave_the_reserve(limit: int) -> None:
    gateway, api = share_of(limit, 2048), share_of(limit, 1024)

    assert 2 * gateway + api + RESERVED <= limit
    assert gateway <= 2048
    assert api <= 1024
