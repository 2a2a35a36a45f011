"""Under which key the pages of a query's result are kept, and that nobody opens or moves them without it."""

import base64

import pytest

from opentrail.envelope import data_key_id
from opentrail.ports import Unavailable
from opentrail.ports.key_ring import logs_caller, logs_context
from opentrail.ports.log_keys import LogDataKeys
from opentrail.ports.log_store import LogKeyUnusable
from opentrail.ports.query_engine import RowSource
from opentrail.query.log_result_keys import LogResultKeys
from opentrail.query.sealed_pages import open_page
from opentrail.resource.key import KeyState
from opentrail.resource.log_group import log_group_arn, query_result_arn
from tests.builders import ACCOUNT, REGION, a_key
from tests.memory.key_ring import InMemoryKeyRing
from tests.memory.log_groups import InMemoryLogGroups

KEY = a_key()
GROUP_ARN = log_group_arn(REGION, ACCOUNT, "app")
PLAIN = RowSource((), "", (), (), {})
PAGE = b'[["canary"]]'


class Kept:
    """Result keys over a ring with one key, and a source whose events are sealed under a data key of it."""

    def __init__(self) -> None:
        self.ring, self.groups = InMemoryKeyRing(KEY), InMemoryLogGroups()
        self.keys = LogResultKeys(self.groups, LogDataKeys(self.ring))

    async def sealed_source(self) -> RowSource:
        made = await self.ring.generate_data_key(KEY.arn, logs_context(GROUP_ARN), logs_caller(GROUP_ARN))
        plaintext = base64.b64encode(made.plaintext).decode()
        blob = base64.b64encode(made.blob).decode()
        keys = {data_key_id(made.blob).hex(): plaintext}
        return RowSource((), "", (), (), {}, keys, (blob, GROUP_ARN))


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def test_a_result_of_plain_events_is_kept_as_it_is(kept: Kept) -> None:
    key = await kept.keys.begin("q", ACCOUNT, REGION, [PLAIN])

    assert (key.blob, key.arn) == ("", "")
    assert kept.keys.sealed("q", 0, PAGE) == PAGE
    assert await kept.keys.key("", "") == b""


async def test_a_result_of_sealed_events_is_kept_under_their_key(kept: Kept) -> None:
    key = await kept.keys.begin("q", ACCOUNT, REGION, [PLAIN, await kept.sealed_source()])
    page = kept.keys.sealed("q", 7, PAGE)

    assert key.arn == GROUP_ARN
    assert b"canary" not in page
    assert open_page(await kept.keys.key(key.blob, key.arn), "q", 7, page) == PAGE


async def test_the_accounts_key_for_results_goes_first(kept: Kept) -> None:
    await kept.groups.set_result_key(ACCOUNT, REGION, KEY.arn)

    key = await kept.keys.begin("q", ACCOUNT, REGION, [await kept.sealed_source()])
    page = kept.keys.sealed("q", 0, PAGE)

    assert key.arn == query_result_arn(REGION, ACCOUNT)
    assert open_page(await kept.keys.key(key.blob, key.arn), "q", 0, page) == PAGE
    kept.ring.set_state(KEY.arn, KeyState.DISABLED)
    with pytest.raises(LogKeyUnusable):
        await kept.keys.key(key.blob, key.arn)
    with pytest.raises(LogKeyUnusable):
        await kept.keys.begin("later", ACCOUNT, REGION, [PLAIN])


async def test_a_page_is_of_its_query_and_place_alone(kept: Kept) -> None:
    key = await kept.keys.begin("q", ACCOUNT, REGION, [await kept.sealed_source()])
    page, secret = kept.keys.sealed("q", 0, PAGE), await kept.keys.key(key.blob, key.arn)

    for query_id, start, content in (("other", 0, page), ("q", 1, page), ("q", 0, page[:-1] + b"x"), ("q", 0, PAGE)):
        with pytest.raises(Unavailable):
            open_page(secret, query_id, start, content)


async def test_the_key_of_a_query_that_ended_is_forgotten(kept: Kept) -> None:
    await kept.keys.begin("q", ACCOUNT, REGION, [await kept.sealed_source()])

    kept.keys.end("q")

    assert kept.keys.sealed("q", 0, PAGE) == PAGE
