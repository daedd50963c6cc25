"""Checks the signature of a call as AWS does.

The canonical request is made by botocore, which knows nothing of our signer.
"""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta, timezone
from hashlib import sha256

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from support.aws_call import AwsError, Call

# How much a signature's time may differ from ours.
MAX_CLOCK_SKEW = timedelta(minutes=5)
AMZ_DATE = "%Y%m%dT%H%M%SZ"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 "
    r"Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)"
    r"/(?P<service>[^/,\s]+)/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[^,\s]+), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


class SignatureError(AwsError):
    """A call that isn't signed by the one we know, or not rightly."""


def verify(call: Call, credentials: Credentials, region: str, service: str) -> None:
    """Checks the signature of a call as AWS does; raises SignatureError.

    The canonical request is made from the headers that the call says are signed and
    from the body itself, whose hash is never taken on trust.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
    """
    authorization = call.all("authorization")
    if not authorization:
        raise SignatureError(
            "MissingAuthenticationTokenException", "Missing Authentication Token"
        )
    match = AUTHORIZATION.fullmatch(authorization[0])
    if len(authorization) > 1 or match is None:
        raise SignatureError(
            "IncompleteSignatureException",
            f"{authorization[0]!r} is not one well-formed Authorization header.",
        )
    tokens = [] if credentials.token is None else [credentials.token]
    if (
        match["key"] != credentials.access_key
        or call.all("x-amz-security-token") != tokens
    ):
        raise SignatureError(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    amz_date = _check_scope(call, match, region, service)
    signed = _check_signed_headers(call, match["signed"])

    body_hash = call.header("x-amz-content-sha256")
    if body_hash is not None and body_hash != sha256(call.body).hexdigest():
        raise _invalid("The x-amz-content-sha256 is not the hash of the body.")

    signer = _Signer(credentials, region, service, signed)
    request = AWSRequest(
        method=call.method,
        url=f"http://{call.header('host')}{call.path}",
        data=call.body,
    )
    request.context["timestamp"] = amz_date
    string_to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    signature = signer.signature(string_to_sign, request)
    if not hmac.compare_digest(signature, match["signature"]):
        raise _invalid(
            "The request signature we calculated does not match the signature you "
            "provided. Check your AWS Secret Access Key and signing method. Consult "
            "the service documentation for details."
        )


class _Signer(SigV4Auth):
    """botocore's signer, for exactly these headers."""

    def __init__(
        self, credentials: Credentials, region: str, service: str, signed: HTTPHeaders
    ) -> None:
        super().__init__(credentials, service, region)
        self._signed = signed

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return self._signed


def _check_scope(call: Call, match: re.Match[str], region: str, service: str) -> str:
    """Checks date, region and service; gives the x-amz-date."""
    amz_date = call.header("x-amz-date") or ""
    try:
        at = datetime.strptime(amz_date, AMZ_DATE).replace(tzinfo=timezone.utc)
    except ValueError:
        raise SignatureError(
            "IncompleteSignatureException", f"{amz_date!r} is no X-Amz-Date."
        ) from None
    if match["date"] != amz_date[:8]:
        raise _invalid(
            f"Date in Credential scope does not match {amz_date[:8]} from ISO-8601 "
            f"version of date from HTTP: {match['date']} != {amz_date[:8]}."
        )
    if match["region"] != region:
        raise _invalid("Credential should be scoped to a valid region.")
    if match["service"] != service:
        raise _invalid(f"Credential should be scoped to correct service: '{service}'.")
    now = call.arrived
    earliest, latest = now - MAX_CLOCK_SKEW, now + MAX_CLOCK_SKEW
    if at < earliest:
        raise _invalid(
            f"Signature expired: {amz_date} is now earlier than "
            f"{earliest:{AMZ_DATE}} ({now:{AMZ_DATE}} - 5 min.)"
        )
    if at > latest:
        raise _invalid(
            f"Signature not yet current: {amz_date} is still later than "
            f"{latest:{AMZ_DATE}} ({now:{AMZ_DATE}} + 5 min.)"
        )
    return amz_date


def _check_signed_headers(call: Call, signed_headers: str) -> HTTPHeaders:
    """Checks which headers are signed; gives them with their values."""
    names = signed_headers.split(";")
    if names != sorted(set(names)) or signed_headers != signed_headers.lower():
        raise SignatureError(
            "IncompleteSignatureException",
            f"SignedHeaders '{signed_headers}' are not sorted, unique and lower case.",
        )
    sent = {name for name, _ in call.headers}
    demanded = {"host"} | {
        name for name in sent if name.startswith("x-amz-") or name == "content-type"
    }
    for name in sorted(demanded - set(names)):
        raise _invalid(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    for name in sorted(set(names) - sent):
        raise _invalid(f"'{name}' is a 'SignedHeader', but was not sent.")
    headers = HTTPHeaders()
    for name, value in call.headers:
        if name in names:
            headers[name] = value  # adds, where the name is there already
    return headers


def _invalid(message: str) -> SignatureError:
    return SignatureError("InvalidSignatureException", message)
