"""What the links in messages lead to: confirming a subscription and ending it, without a signature, and the certificate
that messages are checked by. Who has the link was told it by us; the token, or the subscription's id, is the proof."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from opentrail.arn import Arn
from opentrail.aws.service import ApiPorts
from opentrail.aws.sns.errors import InvalidParameterException
from opentrail.aws.sns.subscriptions import subscription_of_token
from opentrail.errors import AwsError
from opentrail.event.encoding import encode_event
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, Journal, SettingsEntry
from opentrail.record.service_events import service_event
from opentrail.resource.topic import Subscription, is_topic_arn

PATH = "/SimpleNotificationService"
_SOURCE = "sns.amazonaws.com"
_FORBIDDEN, _AWAY = 403, 503


@dataclass(frozen=True)
class TopicPages:
    """The unsigned routes. ``changing`` holds off other changes of settings, ``follow`` has the API's view take up new
    entries; ``certificate`` and ``certificate_name`` are of the key that signs messages."""

    ports: ApiPorts
    journal: Journal
    changing: Callable[[], AbstractAsyncContextManager[None]]
    follow: Callable[[], Awaitable[None]]
    certificate: Callable[[], Awaitable[bytes]]
    certificate_name: Callable[[], Awaitable[str]]

    def routes(self) -> list[Route]:
        certificate = Route("/SimpleNotificationService-{digest}.pem", self.show_certificate)
        return [Route(PATH, self.act), Route(PATH + "/", self.act), certificate]

    async def show_certificate(self, request: Request) -> Response:
        """Answer the certificate, under its own name alone."""
        if request.url.path.rpartition("/")[2] != await self.certificate_name():
            return PlainTextResponse("there is no such certificate\n", 404)
        return Response(await self.certificate(), media_type="application/x-pem-file")

    async def act(self, request: Request) -> Response:
        """Confirm or end a subscription, as the link says."""
        given = request.query_params
        try:
            if given.get("Action") == "ConfirmSubscription":
                return await self._confirm(given.get("TopicArn", ""), given.get("Token", ""))
            if given.get("Action") == "Unsubscribe":
                return await self._end(given.get("SubscriptionArn", ""))
        except AwsError as error:
            return PlainTextResponse(f"{error.code}: {error}\n", error.http_status)
        except Unavailable:
            return PlainTextResponse("try again later\n", _AWAY)
        return PlainTextResponse("the link is not complete\n", 400)

    async def _confirm(self, topic_arn: str, token: str) -> Response:
        if not is_topic_arn(topic_arn):
            raise InvalidParameterException("Topic")
        async with self.changing():
            found = await subscription_of_token(self.ports, topic_arn, token)
            if not found.is_confirmed:
                await self._change("ConfirmSubscription", found, replace(found, is_confirmed=True, token_until=""))
        return PlainTextResponse(f"The subscription {found.arn} is confirmed.\n")

    async def _end(self, arn: str) -> Response:
        async with self.changing():
            found = await self.ports.topic_store.subscription(arn)
            if found is not None and found.needs_authentication_to_end:
                return PlainTextResponse("this subscription is ended by a signed call alone\n", _FORBIDDEN)
            if found is not None:
                await self._change("Unsubscribe", found, None)
        return PlainTextResponse("The subscription is ended.\n")

    async def _change(self, name: str, before: Subscription, after: Subscription | None) -> None:
        """Put a change on record, in the transaction that brings it into force."""
        place = Arn.parse(before.topic_arn)
        event = service_event(
            _SOURCE,
            name,
            {"subscriptionArn": before.arn, "protocol": before.protocol, "byLink": True},
            place.account_id,
            place.region,
            self.ports.clock.now(),
            event_id=self.ports.identifiers.uuid(),
            resources=[("AWS::SNS::Topic", before.topic_arn)],
        )
        settings = SettingsEntry(before.arn, after.to_json() if after is not None else None)
        await self.journal.append([EventEntry(encode_event(event)), settings])
        await self.follow()
