"""The operator's questions: what was recorded, how far deliveries got, and what a validation needs to know."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from opentrail.admin.administration import check_account
from opentrail.admin.resource_names import short_name, spellings
from opentrail.arn import Arn
from opentrail.clock import Clock, format_time
from opentrail.errors import OperatorError
from opentrail.event.encoding import decode_event
from opentrail.event.lookup_attributes import resources, username
from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.event_history import EventHistory, InvalidPageToken, LookupKey, LookupQuery
from opentrail.ports.journal import Journal
from opentrail.ports.lake_seals import LakeSeals
from opentrail.ports.signer import Signer
from opentrail.ports.trail_store import TrailStore
from opentrail.ports.witness import AttestationLog
from opentrail.query.validation_request import LEDGER_DIGESTS
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.trail import Trail

Answer = dict[str, Any]

_EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))


class Inquiries:
    """The operator's questions over one installation's stores; nothing here changes anything."""

    def __init__(
        self,
        *,
        account_id: str,
        region: str,
        journal: Journal,
        history: EventHistory,
        trails: TrailStore,
        event_data_stores: EventDataStores,
        lake_seals: LakeSeals,
        delivery_log: DeliveryLog,
        signer: Signer,
        attestations: AttestationLog,
        witnesses: Sequence[str],
        clock: Clock,
    ) -> None:
        self._account_id = account_id
        self._region = region
        self._journal = journal
        self._history = history
        self._trails = trails
        self._event_data_stores = event_data_stores
        self._lake_seals = lake_seals
        self._delivery_log = delivery_log
        self._signer = signer
        self._attestations = attestations
        self._witnesses = witnesses
        self._clock = clock

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {
            command.__name__: command
            for command in (
                self.lookup_events,
                self.resource_spellings,
                self.list_regions,
                self.list_signing_keys,
                self.describe_trail,
                self.list_trails,
                self.digest_chain,
                self.list_public_keys,
                self.event_data_stores,
                self.status,
            )
        }

    async def lookup_events(
        self,
        region: str,
        attributes: Sequence[Sequence[str]],
        start: str = "",
        end: str = "",
        page_token: str = "",
        account: str = "",
    ) -> Answer:
        """Return one page of an account's Event history, newest first, each event's JSON as text.

        Times are ISO 8601 or empty; without ``account`` it is the installation's own. Each row's ``resources`` are the
        names that people are shown; what to look up for one of them, ``resource_spellings`` says.
        """
        if account:
            check_account(account)
        query = LookupQuery(
            account_id=account or self._account_id,
            region=region,
            attributes=tuple((LookupKey(key), value) for key, value in attributes),
            start_time=datetime.fromisoformat(start) if start else None,
            end_time=datetime.fromisoformat(end) if end else None,
            page_token=page_token,
        )
        try:
            page = await self._history.lookup(query)
        except InvalidPageToken as error:
            raise OperatorError(
                "the lookup's page token is not one of this search's; start the search again"
            ) from error
        return {"events": [_row(event) for event in page.events], "next_token": page.next_token}

    async def resource_spellings(self, name: str, region: str, account: str = "") -> Answer:
        """Return the ResourceName values under which a shown name may be on record in an account and Region."""
        return {"spellings": spellings(name, account or self._account_id, region)}

    async def list_regions(self) -> Answer:
        """Return the enabled Regions."""
        return {"regions": sorted({self._region, *await self._trails.enabled_regions()})}

    async def describe_trail(self, arn: str) -> Answer:
        """Return where a trail of any account delivers; ``arn`` may be the name of one of the installation's own."""
        for trail in await self._trails.trails(self._account_of(arn)):
            if arn in {trail.arn, trail.name}:
                return {
                    "arn": trail.arn,
                    "bucket": trail.s3_bucket_name,
                    "prefix": trail.s3_key_prefix,
                    "home_region": trail.home_region,
                    "account_id": trail.account_id,
                    "logging_stopped_at": _stopped_at(trail),
                    "organization_id": trail.organization_id,
                }
        raise OperatorError(f"a trail could not be found for {arn}")

    async def list_trails(self, account: str = "") -> Answer:
        """Return the ARNs of the trails that deliver an account's events, those with validation first; without
        ``account`` it is the installation's own."""
        if account:
            check_account(account)
        of = account or self._account_id
        trails = [trail for trail in await self._trails.all_trails() if of in trail.account_ids]
        ordered = sorted(trails, key=lambda trail: (not trail.is_log_file_validation_enabled, trail.arn))
        return {"trails": [{"arn": trail.arn} for trail in ordered]}

    async def event_data_stores(self) -> Answer:
        """Return every event data store, with the newest seal of its table."""
        found = []
        for store in await self._event_data_stores.event_data_stores():
            seal = await self._lake_seals.seal(store.arn)
            found.append({"settings": store.to_json().decode(), "seal": None if seal is None else asdict(seal)})
        return {"event_data_stores": found}

    async def digest_chain(self, arn: str, account: str, region: str, start: str, end: str) -> Answer:
        """Return what the delivery log has of a trail's chain in an account and Region.

        That is the newest digests delivered that end in [start, end] (ISO 8601), up to when all were planned ("": the
        chain never began), and whether none is due, since the last was the final one or still waits for its bucket.
        """
        check_account(account)
        place = AccountRegion(account, region)
        times = (datetime.fromisoformat(start), datetime.fromisoformat(end))
        spans = await self._delivery_log.delivered_digests(arn, place, *times, LEDGER_DIGESTS)
        last = next((plan for plan in await self._delivery_log.last_digests(arn) if plan.place == place), None)
        return {
            "delivered": [
                [span.bucket, span.key, span.start_time.isoformat(), span.end_time.isoformat()] for span in spans
            ],
            "settled_until": last.end_time.isoformat() if last else "",
            "is_resting": last is None or last.is_final or last.delivered_at is None,
        }

    def _account_of(self, arn: str) -> str:
        try:
            return Arn.parse(arn).account_id
        except ValueError:
            return self._account_id

    async def list_public_keys(self, region: str, start: str, end: str) -> Answer:
        """Return the keys that were valid between two ISO 8601 times, DER as base64."""
        keys = await self._signer.public_keys(region, datetime.fromisoformat(start), datetime.fromisoformat(end))
        return {
            "keys": [
                {
                    "der": b64encode(key.der).decode(),
                    "fingerprint": key.fingerprint,
                    "valid_from": key.valid_from.isoformat(),
                    "valid_until": key.valid_until.isoformat(),
                }
                for key in keys
            ]
        }

    async def list_signing_keys(self, region: str = "") -> Answer:
        """Return the public keys of a Region, of all enabled ones without, oldest first; the newest of each signs."""
        keys = []
        for name in [region] if region else (await self.list_regions())["regions"]:
            found = await self._signer.public_keys(name, _EVER[0], _EVER[1])
            newest = max((key.valid_from for key in found), default=None)
            keys += [
                {
                    "region": name,
                    "fingerprint": key.fingerprint,
                    "valid_from": format_time(key.valid_from),
                    "valid_until": format_time(key.valid_until),
                    "is_signing": key.valid_from == newest,
                }
                for key in sorted(found, key=lambda key: key.valid_from)
            ]
        return {"keys": keys}

    async def status(self) -> Answer:
        """Return what is recorded and how far each delivery got."""
        trails = []
        for trail in await self._trails.all_trails():
            regions = await self._trails.enabled_regions() if trail.is_multi_region else [trail.home_region]
            for region in regions:
                found = await self._delivery_log.status(trail.arn, region)
                trails.append(
                    {
                        "trail": trail.name if trail.account_id == self._account_id else trail.arn,
                        "region": region,
                        "logging": "yes" if trail.is_logging else "no",
                        "last_log_file": found.get("LatestDeliveryTime", "-"),
                        "last_digest": found.get("LatestDigestDeliveryTime", "-"),
                        "error": _delivery_error(found),
                    }
                )
        installation = {
            "Account": self._account_id,
            "Regions": ", ".join((await self.list_regions())["regions"]),
            "Journal": f"{self._journal.size_bytes() / 1e6:.1f} MB",
            "Event history is behind": "no" if await self._history.cursor() >= self._journal.head() else "yes",
            "Time": format_time(self._clock.now()),
        }
        return {"installation": installation, "trails": trails, "witnesses": await self._witness_rows()}

    async def _witness_rows(self) -> list[dict[str, str]]:
        rows = []
        for name in self._witnesses:
            state = await self._attestations.state(name)
            since = format_time(state.oldest) if state.oldest else "-"
            rows.append({"witness": name, "not_attested": str(state.pending), "since": since})
        return rows


def _delivery_error(status: Mapping[str, str]) -> str:
    """Return what is wrong with a trail's deliveries, "" when nothing is. S3 gives time-outs no code."""
    named = status.get("LatestDeliveryError", "") or status.get("LatestDigestDeliveryError", "")
    is_stuck = status.get("LatestDeliveryAttemptTime", "") > status.get("LatestDeliveryTime", "")
    return named or ("the bucket does not answer" if is_stuck else "")


def _stopped_at(trail: Trail) -> str:
    """Return since when no files are to be expected, "" while there are."""
    is_stopped = not trail.is_logging and trail.logging_stopped_at is not None
    return trail.logging_stopped_at.isoformat() if is_stopped and trail.logging_stopped_at else ""


def _row(event_json: bytes) -> Answer:
    event = decode_event(event_json)
    account, region = str(event.get("recipientAccountId", "")), str(event.get("awsRegion", ""))
    return {
        "event": event_json.decode(),
        "event_id": event["eventID"],
        "event_time": event["eventTime"],
        "username": username(event),
        "access_key_id": event.get("userIdentity", {}).get("accessKeyId") or "",
        "resources": list(dict.fromkeys(short_name(name, account, region) for _, name in resources(event))),
    }
