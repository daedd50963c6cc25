"""What the tests of the worker share: one stand-in and one worker for each module."""

from collections.abc import Iterator

import pytest

from firehose_peer import FirehosePeer
from streams import Stream
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


@pytest.fixture(scope="module")
def unused_streams(peer: FirehosePeer) -> Iterator[Iterator[Stream]]:
    """Streams that no test has used; each takes the events that have its name."""
    names = [f"stream_{number}" for number in range(60)]
    routes = [{"name": name, "to": f"firehose:{name}"} for name in names]
    routes.append({"to": "firehose:others"})
    with Worker(peer.environment(), {"routes": routes}) as worker:
        yield (Stream(name, worker, peer) for name in names)


@pytest.fixture
def stream(unused_streams: Iterator[Stream], peer: FirehosePeer) -> Iterator[Stream]:
    """A stream of the test's own, since its health outlives a request."""
    yield next(unused_streams)
    peer.behave()
