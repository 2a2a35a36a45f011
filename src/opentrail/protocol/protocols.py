"""The table of wire protocols. A further protocol is one codec and one line here."""

from botocore.model import ServiceModel

from opentrail.http_message import HttpRequest
from opentrail.protocol.codec import Codec
from opentrail.protocol.rest import RestJsonCodec, RestXmlCodec
from opentrail.protocol.rpc_json import JsonCodec
from opentrail.protocol.rpc_query import QueryCodec

PROTOCOLS: dict[str, Codec] = {
    "json": JsonCodec(),
    "query": QueryCodec(is_ec2=False),
    "ec2": QueryCodec(is_ec2=True),
    "rest-json": RestJsonCodec(),
    "rest-xml": RestXmlCodec(),
}
"""Protocol name, as service models spell it -> codec."""

CBOR = "smithy-rpc-v2-cbor"


def request_protocol(service: ServiceModel, request: HttpRequest) -> str:
    """Return the protocol ``request`` speaks to ``service``; one that has several answers in the caller's own."""
    headers = request.headers
    if "smithy-protocol" in headers and CBOR in PROTOCOLS:
        return CBOR
    spoken = service.metadata.get("protocols") or ()
    if headers.get("x-amz-target") and ("json" in spoken or "targetPrefix" in service.metadata):
        return "json"
    if headers.get("content-type").startswith("application/x-www-form-urlencoded") and (
        "query" in spoken or "awsQueryCompatible" in service.metadata
    ):
        return "query"
    return default_protocol(service)


def default_protocol(service: ServiceModel) -> str:
    """Return the service's own protocol, or the first of its protocols that has a codec."""
    own = str(service.metadata["protocol"])
    if own in PROTOCOLS:
        return own
    return next((str(name) for name in service.metadata.get("protocols", ()) if name in PROTOCOLS), "json")
