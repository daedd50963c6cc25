"""The way from the proxy to the Firehose of the local AWS."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws import HOST, LocalAws
from support.aws_call import Call
from support.fake_server import Answer
from support.put_records import CONTENT_TYPE, FIREHOSE
from support.sigv4_verifier import verify

ANSWER_SECONDS = 60
# What ends at a proxy: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
HOP_HEADERS = ("connection", "keep-alive", "content-length")


class Upstream:
    """Calls the local AWS as the worker does, with its key.

    `count` is called for each answer that is not 200, and of each that is missing.
    """

    def __init__(self, aws: LocalAws, count: Callable[[str], None]) -> None:
        key = aws.environment()
        self._aws = aws
        self._count = count
        self._credentials = Credentials(
            key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"]
        )

    def verify(self, call: Call) -> None:
        """Checks the signature of a call; raises SignatureError."""
        verify(call, self._credentials, self._aws.region, FIREHOSE.name)

    def forward(self, call: Call) -> Answer | None:
        """Sends a call as it came, its `Host` included, since that is signed."""
        headers = {
            name: value for name, value in call.headers if name not in HOP_HEADERS
        }
        return self._send(headers, call.body)

    def put(self, stream: str, records: list[bytes]) -> Answer | None:
        """Puts records in a call of our own."""
        data = [{"Data": base64.b64encode(record).decode()} for record in records]
        body = json.dumps({"DeliveryStreamName": stream, "Records": data}).encode()
        headers = {"content-type": CONTENT_TYPE, "x-amz-target": FIREHOSE.target}
        request = AWSRequest("POST", self._aws.endpoint + "/", headers, body)
        SigV4Auth(self._credentials, FIREHOSE.name, self._aws.region).add_auth(request)
        signed = {name.lower(): value for name, value in request.headers.items()}
        return self._send({"host": f"{HOST}:{self._aws.port}", **signed}, body)

    def _send(self, headers: dict[str, str], body: bytes) -> Answer | None:
        """Sends a call; None if there was no answer, and its effect is unknown."""
        connection = http.client.HTTPConnection(
            HOST, self._aws.port, timeout=ANSWER_SECONDS
        )
        try:
            connection.putrequest(
                "POST", "/", skip_host=True, skip_accept_encoding=True
            )
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except (OSError, http.client.HTTPException):
            self._count("local AWS silent")
            return None
        finally:
            connection.close()
        if answer.status != 200:
            self._count(f"local AWS {answer.status}")
        return answer
