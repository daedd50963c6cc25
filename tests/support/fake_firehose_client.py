"""AWS's own client for the stand-in, and requests that are signed but for one thing."""

from __future__ import annotations

import base64
import datetime
import http.client
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from support.fake_firehose import FakeFirehose


def client(
    peer: FakeFirehose, read_timeout: float = 30, service: str = "firehose"
) -> Any:
    """AWS's own client, which tries once and leaves the limits to the service."""
    return boto3.session.Session().client(
        service,
        endpoint_url=peer.url,
        region_name=peer.region,
        aws_access_key_id=peer.credentials.access_key,
        aws_secret_access_key=peer.credentials.secret_key,
        aws_session_token=peer.credentials.token,
        config=Config(
            parameter_validation=False,
            proxies={},
            read_timeout=read_timeout,
            retries={"total_max_attempts": 1},
        ),
    )


def put(peer: FakeFirehose, *records: bytes, stream: str = "events") -> dict[str, Any]:
    return client(peer).put_record_batch(
        DeliveryStreamName=stream, Records=[{"Data": record} for record in records]
    )


def refusal(peer: FakeFirehose, *records: bytes, stream: str = "events") -> ClientError:
    with pytest.raises(ClientError) as refused:
        put(peer, *records, stream=stream)
    return refused.value


def code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


@dataclass
class Signed:
    """A request as the worker sends it, signed by botocore, to be tampered with."""

    headers: dict[str, str]
    body: bytes
    path: str = "/"
    method: str = "POST"

    def send(self, peer: FakeFirehose) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=30)
        try:
            connection.putrequest(
                self.method, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(self.body)))
            connection.endheaders(self.body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def authorization(self, old: str, new: str) -> None:
        assert old in self.headers["authorization"]
        changed = self.headers["authorization"].replace(old, new)
        self.headers["authorization"] = changed


class LeavingOut(SigV4Auth):
    """botocore's signer, which leaves one header out of its signature."""

    leave_out: str

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        headers = super().headers_to_sign(request)
        del headers[self.leave_out]
        return headers


def signed(
    peer: FakeFirehose,
    *,
    secret: str | None = None,
    token: str | None = None,
    region: str | None = None,
    service: str = "firehose",
    age: datetime.timedelta = datetime.timedelta(0),
    headers: dict[str, str] | None = None,
    leave_out: str = "",
    padded_to: int = 0,
) -> Signed:
    """Signed rightly, but for what the arguments say."""
    document = json.dumps(
        {
            "DeliveryStreamName": "events",
            "Records": [{"Data": base64.b64encode(b'{"v":1}\n').decode()}],
        }
    )
    body = document.ljust(padded_to).encode()
    request = AWSRequest(
        method="POST",
        url=peer.url + "/",
        data=body,
        headers={
            "host": f"127.0.0.1:{peer.port}",
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "Firehose_20150804.PutRecordBatch",
            "x-amz-content-sha256": sha256(body).hexdigest(),
            **(headers or {}),
        },
    )
    credentials = Credentials(
        peer.credentials.access_key,
        secret or peer.credentials.secret_key,
        token or peer.credentials.token,
    )
    signer = LeavingOut(credentials, service, region or peer.region)
    signer.leave_out = leave_out
    now = datetime.datetime.now(datetime.timezone.utc) - age
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        signer.add_auth(request)
    names = {name.lower(): value for name, value in request.headers.items()}
    return Signed(names, body)
