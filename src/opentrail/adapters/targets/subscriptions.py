"""Messages of topics at their subscriptions' endpoints: web servers, mailboxes, queues, functions, targets of
the settings (reference: SNS, section 3). A copy's ``target`` says how: Protocol, Endpoint, Raw, SignatureVersion,
DisplayName."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from opentrail.adapters.targets.mail import Mail
from opentrail.adapters.targets.message_signer import MessageSigner
from opentrail.outgoing.call import Call, NoAnswer, call
from opentrail.outgoing.endpoint import UnusableUrl
from opentrail.outgoing.guard import DestinationRefused, Guard
from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch, TargetRefused, Targets
from opentrail.resource.topic import CONFIRMATION

ANSWER_SECONDS = 15
"""SNS's own patience with a web server."""

PAGE_PATH = "/SimpleNotificationService"
"""Below our own address: what SubscribeURL and UnsubscribeURL name."""

MAX_RAW_ATTRIBUTES = 10
"""Of a raw message to a queue; SQS takes no more."""

_TOO_MANY, _SERVER_FAULT = 429, 500

Message = dict[str, Any]


class SubscriptionTargets:
    """Implements Targets for subscriptions. ``own_url`` tells the address at which receivers reach our API."""

    def __init__(
        self,
        queues: Targets,
        functions: Targets,
        named: Targets,
        signer: MessageSigner,
        guard: Guard,
        own_url: Callable[[], str],
        mail: Mail | None = None,
    ) -> None:
        self._queues = queues
        self._functions = functions
        self._named = named
        self._signer = signer
        self._guard = guard
        self._own_url = own_url
        self._mail = mail

    async def send(self, dispatch: Dispatch) -> None:
        message = orjson.loads(dispatch.event)
        protocol = dispatch.target["Protocol"]
        if protocol in ("http", "https"):
            await self._post(dispatch, message)
        elif protocol in ("email", "email-json"):
            await self._send_mail(dispatch, message)
        elif protocol == "sqs":
            await self._queue(dispatch, message)
        elif protocol == "application":
            await self._tell(dispatch, message)
        else:
            await self._invoke(dispatch, message)

    async def _post(self, dispatch: Dispatch, message: Message) -> None:
        target = dispatch.target
        is_raw = target["Raw"] and message["Type"] != CONFIRMATION
        body = message["Message"].encode() if is_raw else orjson.dumps(await self._signed(dispatch, message))
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
            "Accept-Encoding": "gzip,deflate",
            "x-amz-sns-message-type": message["Type"],
            "x-amz-sns-message-id": message["MessageId"],
            "x-amz-sns-topic-arn": message["TopicArn"],
        }
        if message["Type"] != CONFIRMATION:
            headers["x-amz-sns-subscription-arn"] = dispatch.destination
        if is_raw:
            headers["x-amz-sns-rawdelivery"] = "true"
        try:
            answer = await call(Call("POST", target["Endpoint"], headers, body, ANSWER_SECONDS), self._guard)
        except NoAnswer as error:
            raise Unavailable(str(error)) from error
        except (DestinationRefused, UnusableUrl) as error:
            raise TargetRefused("NO_PERMISSIONS", str(error)) from error
        _judge(answer.status)

    async def _send_mail(self, dispatch: Dispatch, message: Message) -> None:
        if self._mail is None:
            raise TargetRefused("NO_RESOURCE", "the settings name no mail server")
        name = dispatch.target["DisplayName"] or message["TopicArn"].rpartition(":")[2]
        is_confirmation = message["Type"] == CONFIRMATION
        headers = {} if is_confirmation else {"List-Unsubscribe": f"<{self._unsubscribe_url(dispatch)}>"}
        if dispatch.target["Protocol"] == "email-json":
            text = orjson.dumps(await self._signed(dispatch, message), option=orjson.OPT_INDENT_2).decode()
        elif is_confirmation:
            text = f"You have chosen to subscribe to the topic\n{message['TopicArn']}\n\n"
            text += f"To confirm this subscription, visit\n{self._subscribe_url(message)}\n\nElse do nothing."
        else:
            text = f"{message['Message']}\n\n--\nTo stop these messages, visit\n{self._unsubscribe_url(dispatch)}"
        subject = "Confirm your subscription" if is_confirmation else message.get("Subject") or f"Notice of {name}"
        await self._mail.send(dispatch.target["Endpoint"], dispatch.invocation_id, subject, text, headers)

    async def _queue(self, dispatch: Dispatch, message: Message) -> None:
        queue = dispatch.target["Endpoint"]
        if not dispatch.target["Raw"]:
            text = orjson.dumps(await self._signed(dispatch, message)).decode()
            await self._queues.send(Dispatch(dispatch.invocation_id, queue, text, dispatch.event, {}))
            return
        attributes: Mapping[str, Mapping[str, str]] = message.get("MessageAttributes", {})
        if len(attributes) > MAX_RAW_ATTRIBUTES:
            raise TargetRefused("INVALID_PARAMETER", "a raw message to a queue has at most 10 attributes")
        raw = Dispatch(
            dispatch.invocation_id, queue, message["Message"], dispatch.event, {}, typed_attributes=attributes
        )
        await self._queues.send(raw)

    async def _tell(self, dispatch: Dispatch, message: Message) -> None:
        """Send the message alone to a target that the settings name: it knows no links and signatures of topics."""
        subject = {"Subject": message["Subject"]} if "Subject" in message else {}
        target, text = dispatch.target["Endpoint"], message["Message"]
        await self._named.send(Dispatch(dispatch.invocation_id, target, text, dispatch.event, subject))

    async def _invoke(self, dispatch: Dispatch, message: Message) -> None:
        signed = await self._signed(dispatch, message)
        inner = {
            {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}.get(name, name): value
            for name, value in signed.items()
        }
        inner.setdefault("Subject", None)
        inner.setdefault("MessageAttributes", {})
        record = {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": dispatch.destination,
            "Sns": inner,
        }
        text = orjson.dumps({"Records": [record]}).decode()
        function = dispatch.target["Endpoint"]
        await self._functions.send(Dispatch(dispatch.invocation_id, function, text, dispatch.event, {}))

    async def _signed(self, dispatch: Dispatch, message: Message) -> Message:
        """Return the message with the members that its receiver checks it by."""
        attributes = message.get("MessageAttributes")
        said = {name: value for name, value in message.items() if name != "MessageAttributes"}
        if message["Type"] == CONFIRMATION:
            said["SubscribeURL"] = self._subscribe_url(message)
        version = dispatch.target["SignatureVersion"]
        said["SignatureVersion"] = version
        said["Signature"] = await self._signer.sign(said, version)
        said["SigningCertURL"] = f"{self._own_url()}/{await self._signer.certificate_name()}"
        if message["Type"] != CONFIRMATION:
            said["UnsubscribeURL"] = self._unsubscribe_url(dispatch)
        return said | ({"MessageAttributes": attributes} if attributes else {})

    def _subscribe_url(self, message: Message) -> str:
        query = {"Action": "ConfirmSubscription", "TopicArn": message["TopicArn"], "Token": message["Token"]}
        return f"{self._own_url()}{PAGE_PATH}?{urlencode(query, quote_via=quote, safe=':')}"

    def _unsubscribe_url(self, dispatch: Dispatch) -> str:
        query = {"Action": "Unsubscribe", "SubscriptionArn": dispatch.destination}
        return f"{self._own_url()}{PAGE_PATH}?{urlencode(query, quote_via=quote, safe=':')}"


def _judge(status: int) -> None:
    """Raise the port's error for any status but 2xx."""
    if 200 <= status < 300:
        return
    if status >= _SERVER_FAULT or status == _TOO_MANY:
        raise Unavailable(f"the endpoint answered {status}")
    raise TargetRefused("INVALID_PARAMETER", f"the endpoint answered {status}")
