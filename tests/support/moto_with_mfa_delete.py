"""moto's server with S3's MFA delete, which moto lacks; started as ``python -m``, with moto's own arguments.

PutBucketVersioning keeps what it says of MFA delete when it comes with ``x-amz-mfa``, and is refused without;
GetBucketVersioning tells it (S3's API reference on both).
"""

import re
from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response
from moto.server import main

_MFA_DELETE = re.compile(rb"<MfaDelete>(Enabled|Disabled)</MfaDelete>")
_put_plainly = S3Response._bucket_response_put
_kept: dict[str, str] = {}


def _put(self: S3Response, request: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
    asked = _MFA_DELETE.search(self.body) if "versioning" in querystring else None
    if asked is not None and not request.headers.get("x-amz-mfa"):
        raise S3ClientError("AccessDenied", "Mfa Authentication must be used for this request")
    answer = _put_plainly(self, request, bucket_name, querystring)
    if asked is not None:
        _kept[bucket_name] = asked[1].decode()
    return answer


def _versioning(self: S3Response) -> Any:
    told = {"Status": self.backend.get_bucket_versioning(self.bucket_name)}
    if self.bucket_name in _kept:
        told["MFADelete"] = _kept[self.bucket_name]
    self.data["Action"] = "GetBucketVersioning"
    return self.serialized(ActionResult(told))


if __name__ == "__main__":
    S3Response._bucket_response_put = _put  # type: ignore[method-assign]
    S3Response.get_bucket_versioning = _versioning  # type: ignore[method-assign]
    main()
