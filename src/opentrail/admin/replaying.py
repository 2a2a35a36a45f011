"""The operator's replays: started, watched and stopped over the control socket."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from opentrail.clock import Clock
from opentrail.errors import OperatorError
from opentrail.query.replay.replays import Replay, Replays, TooManyReplays
from opentrail.query.replay.requests import read_request
from opentrail.query.replay.rules import InvalidReplay

Answer = dict[str, Any]

PART_CHARACTERS = 200_000
"""Characters of a report that one answer holds: at most four bytes each, and fewer than an answer may have."""


class ReplayCommands:
    """Every method raises OperatorError."""

    def __init__(self, replays: Replays, account_id: str, clock: Clock) -> None:
        self._replays = replays
        self._account_id = account_id
        self._clock = clock

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {
            command.__name__: command
            for command in (self.start_replay, self.replay_state, self.replay_report, self.cancel_replay)
        }

    async def start_replay(self, request: Mapping[str, Any]) -> Answer:
        """Check a request and queue it; return the replay's id."""
        try:
            asked = read_request(request, self._clock.now())
            store = await self._replays.runner.store_of(asked, self._account_id)
            return {"id": self._replays.start(asked, self._account_id, store.arn if store else "").id}
        except (InvalidReplay, TooManyReplays) as error:
            raise OperatorError(str(error)) from error

    async def replay_state(self, id: str) -> Answer:
        """Return how a replay stands, without its report."""
        return self._found(id).to_wire() | {"Report": None}

    async def replay_report(self, id: str, first: int = 0) -> Answer:
        """Return a part of a report's JSON, from character ``first`` on; an empty part is the end."""
        report = self._found(id).report
        if report is None:
            raise OperatorError("the replay has no report yet")
        return {"part": orjson.dumps(report).decode()[first : first + PART_CHARACTERS]}

    async def cancel_replay(self, id: str) -> Answer:
        """Stop a replay."""
        replay = self._found(id)
        await self._replays.cancel(replay)
        return {"state": replay.state}

    def _found(self, replay_id: str) -> Replay:
        replay = self._replays.find(replay_id, self._account_id)
        if replay is None:
            raise OperatorError(f"there is no replay {replay_id[:64]!r}; finished ones are kept for an hour")
        return replay
