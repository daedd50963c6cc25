"""What the tests of the worker share: one stand-in and one worker for each module."""

from collections.abc import Iterator

import pytest

from firehose_peer import FirehosePeer
from worker import Worker


@pytest.fixture(scope="module")
def peer() -> Iterator[FirehosePeer]:
    """A Firehose that, at the end, must have found every signature right."""
    with FirehosePeer() as peer:
        yield peer
        assert peer.signature_errors == []


@pytest.fixture(scope="module")
def worker(peer: FirehosePeer) -> Iterator[Worker]:
    """The worker as the repository configures it, which delivers to the stand-in."""
    with Worker(peer.environment()) as worker:
        yield worker
