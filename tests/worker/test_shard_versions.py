"""A shard of the version before, while the next one is rolled out, in the built worker."""

from __future__ import annotations

from uuid import uuid4

from support.fake_firehose import FakeFirehose
from support.shards import SHARDED
from support.streams import data
from support.worker_with_bindings import WorkerWithBindings


class Before(WorkerWithBindings):
    """Its shards know parcels of version 1 only, take those, and answer in that version."""

    bindings = """
    SHARD: {
      idFromName: () => 1,
      get: () => ({
        call: async (_, body) => {
          if (body[0] !== 1) return { error: new TextEncoder().encode("bytes are not a parcel") };
          console.log("taken by the shard");
          return new Uint8Array([1, 0]);
        },
      }),
    }
    """


def test_an_event_does_not_bypass_the_shard_that_accepted_it(
    peer: FakeFirehose,
) -> None:
    beacon = {"name": "seen", "id": str(uuid4())}
    with Before(peer.environment(), SHARDED) as worker:
        assert worker.post([beacon]).status == 204
        assert data(peer)[beacon["id"]]["delivered_via"] == "direct"
        assert "taken by the shard" not in worker.log
