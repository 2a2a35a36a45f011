"""Named targets at real servers: a webhook, a chat service through Apprise, a mailbox; and whose they are."""

import json
from collections.abc import Iterator

import pytest

from opentrail.adapters.targets.chat import ChatTarget
from opentrail.adapters.targets.mail import Mail, MailServer
from opentrail.adapters.targets.mailbox import MailboxTarget
from opentrail.adapters.targets.named import NamedTargetKinds
from opentrail.adapters.targets.webhook import WebhookTarget
from opentrail.outgoing.signature import signature
from opentrail.outgoing.webhook import WebhookCaller, WebhookEndpoint
from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.resource.named_target import NamedTargets, named_target_arn
from tests.builders import ACCOUNT, REGION, HandClock
from tests.support.mail_server import mail_server
from tests.support.web_endpoint import WebEndpoint, web_endpoint

ARN = named_target_arn(REGION, ACCOUNT, "pager")
SECRET = "a secret of thirty-two characters"
EVENT = {
    "detail-type": "AWS API Call via CloudTrail",
    "source": "aws.s3",
    "detail": {"eventName": "CreateBucket", "userIdentity": {"arn": "arn:aws:iam::1:user/bob"}},
}


def a_dispatch(text: str = json.dumps(EVENT), arn: str = ARN, **target: str) -> Dispatch:
    return Dispatch("id-1", arn, text, b"{}", target)


@pytest.fixture
def endpoint() -> Iterator[WebEndpoint]:
    with web_endpoint() as running:
        yield running


def a_webhook(url: str) -> WebhookTarget:
    return WebhookTarget(WebhookCaller(WebhookEndpoint(url, SECRET), HandClock()))


@pytest.mark.parametrize(
    ("text", "kind"), [('{"n":1}', "application/json"), ("root logged in", "text/plain; charset=UTF-8")]
)
async def test_a_webhook_gets_the_text_signed(endpoint: WebEndpoint, text: str, kind: str) -> None:
    await a_webhook(endpoint.url).send(a_dispatch(text))

    [(headers, body)] = endpoint.received
    assert (body, headers["content-type"], headers["webhook-id"]) == (text, kind, "id-1")
    made = signature(SECRET.encode(), "id-1", int(headers["webhook-timestamp"]), body.encode())
    assert headers["webhook-signature"] == made


@pytest.mark.parametrize(
    ("status", "expected"),
    [(302, TargetRefused), (400, TargetRefused), (404, TargetRefused), (429, Unavailable), (503, Unavailable)],
)
async def test_a_webhooks_answer_says_whether_it_is_tried_again(
    endpoint: WebEndpoint, status: int, expected: type[Exception]
) -> None:
    endpoint.status = status

    with pytest.raises(expected):
        await a_webhook(endpoint.url).send(a_dispatch())


async def test_a_webhook_that_is_down_is_tried_again_and_its_url_is_not_told() -> None:
    with pytest.raises(Unavailable) as failed:
        await a_webhook("http://127.0.0.1:9/hook?token=hush").send(a_dispatch())

    assert "hush" not in str(failed.value)


async def test_a_chat_service_is_told_what_happened_in_a_line(endpoint: WebEndpoint) -> None:
    target = ChatTarget("ops", endpoint.url.replace("http://", "json://"))

    await target.send(a_dispatch())
    await target.send(a_dispatch('"root <logged> in"', Subject="Root"))
    target.close()

    told = [json.loads(body) for _, body in endpoint.received]
    assert told[0]["title"] == "CreateBucket by arn:aws:iam::1:user/bob"
    assert told[0]["message"] == "aws.s3"
    assert (told[1]["title"], told[1]["message"]) == ("Root", "root <logged> in")


async def test_a_long_text_is_cut_for_a_chat_service(endpoint: WebEndpoint) -> None:
    target = ChatTarget("ops", endpoint.url.replace("http://", "json://"))

    await target.send(a_dispatch(json.dumps("x" * 100_000)))
    target.close()

    assert len(json.loads(endpoint.received[0][1])["message"]) == 1_500


@pytest.mark.parametrize("url", ["json://127.0.0.1:9/hush", "nosuch://hush"])
async def test_a_chat_service_that_is_away_or_unknown_is_tried_again_and_its_url_is_not_told(url: str) -> None:
    target = ChatTarget("ops", url)

    with pytest.raises(Unavailable) as failed:
        await target.send(a_dispatch())
    target.close()

    assert "hush" not in str(failed.value)


async def test_mailboxes_get_one_mail_with_the_event_below_what_happened() -> None:
    with mail_server() as mails:
        host, port = mails.address.split(":")
        mail = Mail(MailServer(host, int(port), "trail@example.com", tls="none"), HandClock())

        await MailboxTarget(["ann@example.com", "bob@example.com"], mail).send(a_dispatch())
        mail.close()

    [got] = mails.received
    assert (got["To"], got["Subject"]) == (
        "ann@example.com, bob@example.com",
        "CreateBucket by arn:aws:iam::1:user/bob",
    )
    summary, _, whole = got.get_content().replace("\r\n", "\n").partition("\n\n")
    assert summary == "aws.s3"
    assert json.loads(whole) == EVENT


async def test_only_accounts_that_the_settings_allow_reach_a_target(endpoint: WebEndpoint) -> None:
    names = NamedTargets({"pager": frozenset({ACCOUNT})})
    kinds = NamedTargetKinds({"pager": a_webhook(endpoint.url)}, names)

    await kinds.send(a_dispatch(arn=named_target_arn("eu-west-1", ACCOUNT, "pager")))
    for arn in (named_target_arn(REGION, "999999999999", "pager"), named_target_arn(REGION, ACCOUNT, "gone")):
        with pytest.raises(TargetRefused) as refused:
            await kinds.send(a_dispatch(arn=arn))
        assert refused.value.code == "NO_RESOURCE"

    assert len(endpoint.received) == 1
