"""Every call is signed so that botocore, which knows nothing of our signer, agrees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

import pytest

from support.fake_firehose import FakeFirehose
from support.streams import data, kept
from support.worker import PATIENT, Worker

TOKEN = "IQoJb3JpZ2luX2VjEPT//////////wEaCWV1LXdlc3QtMSJHMEUCIQD+/="
SIGNED = re.compile(r"SignedHeaders=([^,]+),")


@pytest.fixture(scope="module", params=[None, TOKEN], ids=["long-lived", "temporary"])
def signer(request: pytest.FixtureRequest) -> Iterator[tuple[Worker, FakeFirehose]]:
    """A worker with either kind of key, and the peer that knows only that key."""
    with FakeFirehose(
        access_key_id="ASIAPEERPEERPEERPEER",
        secret_access_key="wJalr/XUt+nFEMI=K7MDENG//bPxRfiCYEXAMPLE",
        session_token=request.param,
        region="us-gov-east-1",
    ) as peer:
        with Worker(peer.environment(), PATIENT) as worker:
            yield worker, peer


def test_every_call_is_signed_with_all_that_it_says(
    signer: tuple[Worker, FakeFirehose],
) -> None:
    worker, peer = signer
    title = "ü" * 1_000

    answers = [
        worker.post({"name": "a", "title": title}),
        worker.post([{"name": "a", "level": "high", "title": title}] * 500),
        worker.post("{"),
        worker.get("/v1/pixel.gif?name=a"),
    ]

    assert [answer.status for answer in answers] == [204, 413, 400, 200]
    assert worker.post([{"name": "a", "level": "high"}] * 500).status == 204
    assert (len(data(peer)), len(kept(peer))) == (502, 1)
    assert peer.signature_errors == []
    assert len(peer.calls) == 4
    for call in peer.calls:
        assert call.header("x-amz-content-sha256") == sha256(call.body).hexdigest()
        match = SIGNED.search(call.header("authorization") or "")
        assert match
        signed = set(match[1].split(";"))
        assert signed >= {"host", "content-type", "x-amz-content-sha256", "x-amz-date"}
        token = peer.credentials.token
        assert call.all("x-amz-security-token") == ([token] if token else [])


def test_the_peer_refuses_another_key(signer: tuple[Worker, FakeFirehose]) -> None:
    """The proof that the agreement above means something."""
    worker, peer = signer
    secret = peer.credentials.secret_key
    before = len(data(peer))
    peer.credentials.secret_key = "another"
    try:
        answer = worker.post({"name": "a"})
    finally:
        peer.credentials.secret_key = secret

    assert (answer.status, len(peer.signature_errors)) == (503, 1)
    assert "InvalidSignatureException" in answer.json()["message"]
    assert len(data(peer)) == before
    ready = worker.ready()
    assert (ready.status, ready.json()["ready"]) == (503, False)
    assert worker.post({"name": "a"}).status == 204
