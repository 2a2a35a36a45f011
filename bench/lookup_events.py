"""A generated stream of management events with the skew of real ones, for ``bench.lookup``.

Ninety days in order of time; event names, users and resources drawn by Zipf's law, four events in five read-only, one
in eight in another Region; each event about as large as a real one.
"""

import random
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from opentrail.event.encoding import encode_event
from opentrail.pipeline.history import history_event
from opentrail.ports.event_history import HistoryEvent

ACCOUNT = "123456789012"
REGION = "eu-west-1"
DAYS = 90
_SERVICES = (
    "ec2",
    "s3",
    "iam",
    "sts",
    "kms",
    "lambda",
    "logs",
    "rds",
    "ssm",
    "dynamodb",
    "sns",
    "sqs",
    "cloudformation",
)
_READ_VERBS = ("Describe", "List", "Get", "Lookup")
_WRITE_VERBS = ("Create", "Delete", "Update", "Put")
_NAMES = 320
_USERS = 400
_RARE_USERS = 50
_RARE_USER_EVENTS = 20


class Generator:
    """Makes ``count`` events and remembers what to ask for. ``events`` may be run once."""

    def __init__(self, count: int, end: datetime, seed: int) -> None:
        self._rng = random.Random(seed)
        self._count = count
        self.last = end
        self.first = end - timedelta(days=DAYS)
        self._names = [self._name(number) for number in range(_NAMES)]
        self._name_weights = _zipf(_NAMES)
        self._user_weights = _zipf(_USERS)
        self.common_names = [name for _, name, _ in self._names[1:20]]
        self.rare_names = [name for _, name, _ in self._names[-40:]]
        self.common_users = [f"user-{number}" for number in range(20)]
        self.user_of_one_name = "scheduler"
        self.rare_users = [f"rare-{number}" for number in range(_RARE_USERS)]
        self.access_keys = [_access_key(f"user-{number}") for number in range(_USERS)]
        self.resource_types = ["AWS::S3::Bucket", "AWS::EC2::Instance", "AWS::IAM::Role", "AWS::KMS::Key"]
        self.some_ids: list[str] = []
        self.some_resources: list[str] = []
        self._bytes = 0

    @property
    def mean_bytes(self) -> float:
        return self._bytes / self._count

    def some_source(self) -> str:
        return f"{self._rng.choice(_SERVICES[:6])}.amazonaws.com"

    def events(self) -> Iterator[HistoryEvent]:
        rare = {self._rng.randrange(self._count): user for user in self.rare_users for _ in range(_RARE_USER_EVENTS)}
        span = (self.last - self.first).total_seconds()
        for number in range(self._count):
            moment = self.first + timedelta(seconds=int(span * number / self._count))
            event = self._event(moment, rare.get(number))
            made = history_event(event)
            if number % 50 == 0:
                self._bytes += 50 * len(encode_event(event))
                self._remember(made)
            yield made

    def _remember(self, made: HistoryEvent) -> None:
        if made.region == REGION:
            self.some_ids.append(made.event_id)
            self.some_resources += [value for key, value in made.attributes if key == "ResourceName"][:1]

    def _event(self, moment: datetime, user: str | None) -> dict[str, Any]:
        rng = self._rng
        service, name, is_read = rng.choices(self._names, cum_weights=self._name_weights)[0]
        if name == self._names[0][1]:
            user = self.user_of_one_name
        elif user is None:
            user = f"user-{rng.choices(range(_USERS), cum_weights=self._user_weights)[0]}"
        source = f"{service}.amazonaws.com"
        return {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser",
                "principalId": f"AIDA{zlib.crc32(user.encode()):016}",
                "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}",
                "accountId": ACCOUNT,
                "accessKeyId": _access_key(user),
                "userName": user,
            },
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": source,
            "eventName": name,
            "awsRegion": REGION if rng.random() < 0.875 else "us-east-1",
            "sourceIPAddress": f"10.{rng.randrange(4)}.{rng.randrange(256)}.{rng.randrange(256)}",
            "userAgent": "aws-cli/2.15.0 Python/3.11.6 Linux/6.1.0 exe/x86_64 prompt/off command/x",
            **({"errorCode": "AccessDenied", "errorMessage": "no permission"} if rng.random() < 0.03 else {}),
            "requestParameters": self._request(service),
            "responseElements": None if is_read else {"requestId": _uuid(rng), "return": True},
            "requestID": _uuid(rng),
            "eventID": _uuid(rng),
            "readOnly": is_read,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
            "tlsDetails": {
                "tlsVersion": "TLSv1.3",
                "cipherSuite": "TLS_AES_128_GCM_SHA256",
                "clientProvidedHostHeader": f"{service}.{REGION}.amazonaws.com",
            },
        }

    def _request(self, service: str) -> dict[str, Any] | None:
        number = int(self._rng.paretovariate(0.7)) % 20_000
        match service:
            case "s3":
                return {"bucketName": f"bucket-{number}", "Host": f"bucket-{number}.s3.amazonaws.com"}
            case "ec2":
                return {"instancesSet": {"items": [{"instanceId": f"i-{number:017x}"}]}, "filterSet": {}}
            case "iam" | "sts":
                return {"roleName": f"role-{number}"} if service == "iam" else {"roleArn": f"arn:role/{number}"}
            case "kms":
                return {"keyId": f"key-{number % 100}", "encryptionContext": {"aws:x": str(number)}}
            case _:
                return {"maxResults": 50, "nextToken": f"{number:x}"} if number % 3 else None

    def _name(self, number: int) -> tuple[str, str, bool]:
        is_read = number % 5 != 4
        verb = self._rng.choice(_READ_VERBS if is_read else _WRITE_VERBS)
        return _SERVICES[number % len(_SERVICES)], f"{verb}Thing{number}", is_read


def _access_key(user: str) -> str:
    return f"AKIA{user.upper().replace('-', '')[:16]:0>16}"


def _uuid(rng: random.Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _zipf(count: int) -> list[float]:
    return list(accumulate(1 / rank for rank in range(1, count + 1)))
