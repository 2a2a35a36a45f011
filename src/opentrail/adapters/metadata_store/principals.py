"""Principals as the text that rows keep."""

from dataclasses import asdict
from datetime import datetime

import orjson

from opentrail.identity import OnBehalfOf, Principal, PrincipalType, SessionContext


def format_principal(principal: Principal) -> str:
    """Return a principal as JSON; members that are not set are left out."""
    values = {name: value for name, value in asdict(principal).items() if value}
    return orjson.dumps(values).decode()


def parse_principal(text: str) -> Principal:
    """Read what ``format_principal`` wrote, in this release or an earlier one."""
    values = orjson.loads(text)
    values["type"] = PrincipalType(values["type"])
    if session := values.get("session"):
        started = session.get("created_at")
        session["created_at"] = datetime.fromisoformat(started) if started else None
        values["session"] = SessionContext(**session)
    if person := values.get("on_behalf_of"):
        values["on_behalf_of"] = OnBehalfOf(**person)
    return Principal(**values)


def owner_arn(principal: Principal) -> str:
    """Return the ARN of the user, role or Root whose policies hold for a principal: a session's issuer, else itself."""
    issuer = principal.session.issuer_arn if principal.session else ""
    return issuer or principal.arn
