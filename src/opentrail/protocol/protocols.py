"""The table of wire protocols. A further protocol is one codec and one line here."""

from botocore.model import ServiceModel

from opentrail.http_message import HttpRequest
from opentrail.protocol.codec import Codec
from opentrail.protocol.rest import RestJsonCodec, RestXmlCodec
from opentrail.protocol.rpc_cbor import CborCodec
from opentrail.protocol.rpc_json import JsonCodec
from opentrail.protocol.rpc_query import QueryCodec

CBOR = "smithy-rpc-v2-cbor"

PROTOCOLS: dict[str, Codec] = {
    "json": JsonCodec(),
    "query": QueryCodec(is_ec2=False),
    "ec2": QueryCodec(is_ec2=True),
    "rest-json": RestJsonCodec(),
    "rest-xml": RestXmlCodec(),
    CBOR: CborCodec(),
}
"""Protocol name, as service models spell it -> codec."""


def request_protocol(service: ServiceModel, request: HttpRequest) -> str:
    """Return the protocol ``request`` speaks to ``service``; one that has several answers in the caller's own."""
    headers = request.headers.first
    spoken = service.metadata.get("protocols") or ()
    if "smithy-protocol" in headers and (CBOR in spoken or service.metadata["protocol"] == CBOR):
        return CBOR
    if headers.get("x-amz-target") and ("json" in spoken or "targetPrefix" in service.metadata):
        return "json"
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded") and (
        "query" in spoken or "awsQueryCompatible" in service.metadata
    ):
        return "query"
    return default_protocol(service)


def default_protocol(service: ServiceModel) -> str:
    """Return the service's own protocol."""
    return str(service.metadata["protocol"])
