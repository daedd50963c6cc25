"""What is bound may change while an isolate lives: a secret is rotated, and no code is new.

The runtime's local form starts anew at each change, so here JavaScript around the worker changes
what it is given; each request has an `env` of its own there.
"""

from __future__ import annotations

from support.fake_firehose import FakeFirehose
from support.worker_with_bindings import WorkerWithBindings

BEARER = {"authorization": "Bearer the-key-of-the-operator-for-tests-12345"}


class Rotated(WorkerWithBindings):
    """Once it has reported for a request, it has other secrets, and nobody to tell."""

    bindings = """
      get AWS_SECRET_ACCESS_KEY() { return globalThis.reported ? env.AWS_SECRET_ACCESS_KEY : "before" },
      get HEADWATER_OPERATOR_KEY() { return globalThis.reported ? undefined : env.HEADWATER_OPERATOR_KEY },
      get METRICS() { return globalThis.reported ? undefined : { writeDataPoint({ blobs }) { globalThis.reported = blobs[0] === "request" } } },
    """


class Renewed(WorkerWithBindings):
    """Each request has the same in another `env`."""


def test_a_changed_binding_applies_from_the_next_request() -> None:
    key = BEARER["authorization"].removeprefix("Bearer ")
    with FakeFirehose() as peer:
        env = {**peer.environment(), "HEADWATER_OPERATOR_KEY": key}
        with Rotated(env) as worker:
            assert worker.get("/_/quarantine", BEARER).status == 204
            wrong = worker.post({"name": "page_view"})
            assert (wrong.status, wrong.json()["code"]) == (503, "not_durable")
            assert worker.post({"name": "page_view"}).status == 204
            assert worker.get("/_/quarantine", BEARER).status == 403
            assert "configured" not in worker.ready().json(), "its key is nobody's any more"
            assert "a point was not written" not in worker.log


def test_the_same_in_another_env_is_read_once() -> None:
    with FakeFirehose() as peer:
        with Renewed(peer.environment(), {"origins": "wrong"}) as worker:
            for _ in range(5):
                assert worker.post({"name": "page_view"}).status == 503
            worker.wait_for_line(part="configuration")
            reported = [it for it in worker.log_lines if it.get("part") == "configuration"]
            assert len(reported) == 1
