"""The API as the guard calls it: through the gateway of the server that holds a home."""

from collections.abc import Callable, Mapping

from opentrail import __version__
from opentrail.adapters.aws_api.boto import BotoApi
from opentrail.ports.aws_api import AwsApi


def apis_by_region(gateway_url: str, key: Mapping[str, str]) -> Callable[[str], AwsApi]:
    """Return what gives the API of a Region to whom ``key`` belongs."""

    def api_of(region: str) -> AwsApi:
        agent = f"opentrail-guard/{__version__}"
        return BotoApi(gateway_url, region, key["access_key_id"], key["secret_access_key"], agent)

    return api_of
