"""What the tests of the worker share: one stand-in and one worker for each module."""

from collections.abc import Iterator

import pytest

from support.fake_firehose import FakeFirehose
from support.shards import SHARDED
from support.streams import Stream, streams
from support.worker import PATIENT, Worker


@pytest.fixture(scope="module")
def peer() -> Iterator[FakeFirehose]:
    """A Firehose that, at the end, must have found every signature right."""
    with FakeFirehose() as peer:
        yield peer
        assert peer.signature_errors == []


@pytest.fixture(scope="module")
def worker(request: pytest.FixtureRequest, peer: FakeFirehose) -> Iterator[Worker]:
    """The worker as the repository configures it, but patient, which delivers to the stand-in.

    It does so directly, or as the parameter of a module says.
    """
    delivery = getattr(request, "param", "direct")
    settings = {**PATIENT, "delivery": delivery, "shards": 1, "linger_ms": 1}
    with Worker(peer.environment(), settings) as worker:
        yield worker


@pytest.fixture(scope="module")
def unused_streams(peer: FakeFirehose) -> Iterator[Iterator[Stream]]:
    """Streams that no test has used; each takes the events that have its name.

    Each event is a record of its own, so that a test can say what becomes of each.
    """
    with streams(peer, {**PATIENT, "aggregate_bytes": False}) as unused:
        yield unused


@pytest.fixture(scope="module")
def unused_hasty_streams(peer: FakeFirehose) -> Iterator[Iterator[Stream]]:
    """The same, with the deadline that is the default."""
    with streams(peer, {"aggregate_bytes": False}) as unused:
        yield unused


@pytest.fixture(scope="module")
def unused_packed_streams(peer: FakeFirehose) -> Iterator[Iterator[Stream]]:
    """The same, with packs as they are by default."""
    with streams(peer, PATIENT) as unused:
        yield unused


@pytest.fixture(scope="session")
def unused_sharded_streams() -> Iterator[Iterator[Stream]]:
    """Streams that no test has used, with packs, behind a shard."""
    with FakeFirehose() as peer:
        with streams(peer, {**SHARDED, **PATIENT}) as unused:
            yield unused
        assert peer.signature_errors == []


@pytest.fixture
def sharded_stream(unused_sharded_streams: Iterator[Stream]) -> Iterator[Stream]:
    """A stream of the test's own behind the shard that all tests share."""
    stream = next(unused_sharded_streams)
    yield stream
    stream.peer.behave()


@pytest.fixture
def stream(unused_streams: Iterator[Stream], peer: FakeFirehose) -> Iterator[Stream]:
    """A stream of the test's own, since its health outlives a request."""
    yield next(unused_streams)
    peer.behave()


@pytest.fixture
def hasty_streams(
    unused_hasty_streams: Iterator[Stream], peer: FakeFirehose
) -> Iterator[Iterator[Stream]]:
    """Such streams, for tests that run into the deadline."""
    yield unused_hasty_streams
    peer.behave()


@pytest.fixture
def hasty_stream(hasty_streams: Iterator[Stream]) -> Stream:
    """One of them."""
    return next(hasty_streams)


@pytest.fixture
def packed_stream(
    unused_packed_streams: Iterator[Stream], peer: FakeFirehose
) -> Iterator[Stream]:
    """The same, with packs as they are by default."""
    yield next(unused_packed_streams)
    peer.behave()


@pytest.fixture(scope="module")
def unused_kinesis_streams(peer: FakeFirehose) -> Iterator[Iterator[Stream]]:
    """Streams of Kinesis that no test has used."""
    with streams(peer, PATIENT, "kinesis") as unused:
        yield unused


@pytest.fixture
def kinesis_stream(
    unused_kinesis_streams: Iterator[Stream], peer: FakeFirehose
) -> Iterator[Stream]:
    """A stream of Kinesis of the test's own."""
    yield next(unused_kinesis_streams)
    peer.behave()
