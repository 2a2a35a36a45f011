"""Global endpoints: this installation is one place, so there are none, and the list of them is empty."""

from opentrail.aws.service import ApiPorts, Call, Outcome


async def list_endpoints(ports: ApiPorts, call: Call) -> Outcome:
    """List the account's global endpoints: none can be made here."""
    return Outcome({"Endpoints": []})
