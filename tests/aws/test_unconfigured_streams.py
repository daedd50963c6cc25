"""What a deployment would leave waiting is seen before it, or it is said that it can't be."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import STREAM_OUTPUTS, DeployError, Deployment, options
from ministack_process import HOST
from unconfigured_streams import BacklogUnknownError, dropped, forgotten, warning, warning_of_forgotten
from wrangler import WorkerSettings

KEY = "k" * 32
NAMED = {"firehose:events", "firehose:events-failed"}


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves a /readyz, and gives the address of its worker."""
    servers = []

    def serve(body: Any, status: int = 200) -> str:
        class Readyz(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_operator = self.headers["authorization"] == f"Bearer {KEY}"
                reported = body if is_operator else {"ready": True, "summary": "ready"}
                text = reported if isinstance(reported, bytes) else json.dumps(reported).encode()
                self.send_response(status if self.path == "/readyz" else 404)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer((HOST, 0), Readyz)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://{HOST}:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def shard(**waiting: int) -> dict[str, Any]:
    spill = [{"stream": f"firehose:{stream}", "records": count} for stream, count in waiting.items()]
    return {"shard": 0, "spill": spill}


def test_records_of_all_shards_for_dropped_streams_are_summed(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWATER_OPERATOR_KEY", KEY)
    shards = [shard(old=3, events=5, b=0), shard(old=4, a=1)]
    for status in (200, 503):
        url = serve({"ready": status == 200, "delivery": "sharded", "shards": shards}, status)
        found = dropped(f"{url}/", NAMED)
        assert found == {"firehose:old": 7, "firehose:a": 1}
    reported = warning(found)
    assert "1 for firehose:a, 7 for firehose:old; " in reported
    assert 'renamed_streams = { "firehose:a" = "firehose:NEW" }' in reported
    assert dropped(serve({"ready": True, "delivery": "direct"}), NAMED) == {}
    assert dropped(url, {*NAMED, "firehose:old", "firehose:a"}) == {}


@pytest.mark.parametrize(
    ("there", "table", "expected"),
    [
        ([None], {}, set()),
        ([None], {"jurisdiction": "eu", "previous_jurisdiction": "none"}, set()),
        ([None], {"jurisdiction": "eu"}, {"none"}),
        (["eu"], {}, {"eu"}),
        (["eu"], {"jurisdiction": "none", "previous_jurisdiction": "us"}, {"eu"}),
        # The end of a move, and no shards.
        (["eu", None], {"jurisdiction": "eu"}, set()),
        ([], {"jurisdiction": "eu"}, set()),
    ],
)
def test_a_forgotten_jurisdiction_is_seen(
    serve: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    there: list[str | None],
    table: dict[str, str],
    expected: set[str],
) -> None:
    monkeypatch.setenv("HEADWATER_OPERATOR_KEY", KEY)
    shards = [shard() | ({"jurisdiction": name} if name else {}) for name in there]
    url = serve({"ready": True, "delivery": "sharded", "shards": shards})
    assert forgotten(url, table) == expected
    if expected:
        assert f'add previous_jurisdiction = "{min(expected)}" to' in warning_of_forgotten(expected)


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"<p>no", 404, "/readyz answers 404"),
        (b"no", 200, "/readyz can't be read"),
        ([], 200, "was not answered by a Headwater worker"),
        ({"ready": False, "problems": ["A"], "summary": "not ready: A"}, 503, "not configured: not ready: A"),
        ({"ready": True, "delivery": "sharded", "shards": [{"shard": 3, "problem": "x"}]}, 200, "shard 3 does not answer"),
        ({"ready": True, "shards": [{"shard": 3, "jurisdiction": "eu", "problem": "x"}]}, 200, "shard eu-3 does not answer"),
    ],
    ids=str,
)  # fmt: skip
def test_an_unusable_answer_is_reported(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch, body: Any, status: int, why: str
) -> None:
    monkeypatch.setenv("HEADWATER_OPERATOR_KEY", KEY)
    with pytest.raises(BacklogUnknownError, match=why):
        dropped(serve(body, status), NAMED)


def test_a_missing_operators_key_is_named(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADWATER_OPERATOR_KEY", raising=False)
    with pytest.raises(BacklogUnknownError, match="set HEADWATER_OPERATOR_KEY in the environment"):
        dropped(serve({"ready": True, "delivery": "sharded", "shards": []}), NAMED)
    with pytest.raises(BacklogUnknownError, match="can't be read"):
        dropped(f"http://{HOST}:9", NAMED)


@pytest.mark.parametrize(
    ("parameter", "there", "refused"),
    [
        ([("KinesisStream", "orders")], None, False),
        ([("KinesisStream", "orders")], "clicks", False),
        ([], "orders", False),
        ([], None, True),
        ([("KinesisStream", "clicks")], "orders", True),
        ([("KinesisStream", "")], "orders", True),
    ],
)
def test_a_route_may_name_a_kinesis_stream_to_be_made(
    parameter: list[tuple[str, str]], there: str | None, refused: bool, tmp_path: Path
) -> None:
    """A dry run has the outputs of the stack as it is before the change."""
    file = tmp_path / "wrangler.toml"
    file.write_text('[vars.HEADWATER]\nroutes = [{ to = "kinesis:orders" }, { to = "firehose:LowStream" }]\n')
    deployment = Deployment(options().parse_args([word for each in parameter for word in ("--parameter", "=".join(each))]))
    deployment.settings = WorkerSettings(None, file)
    outputs = {name: name for name in STREAM_OUTPUTS} | ({"KinesisStreamName": there} if there else {})
    if refused:
        with pytest.raises(DeployError, match="sends events to kinesis:orders, which is not of the stack headwater"):
            deployment.check_streams(outputs)
    else:
        deployment.check_streams(outputs)


@pytest.mark.parametrize(
    ("per_level", "refused"),
    [("16", None), ("8", "firehose:LowStream-15"), (None, "firehose:LowStream-0")],
)
def test_a_route_may_name_the_members_that_the_stack_has(
    per_level: str | None, refused: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "wrangler.toml"
    file.write_text('[vars.HEADWATER]\nroutes = [{ to = "firehose:LowStream-{0..15}" }]\n')
    deployment = Deployment(options().parse_args([]))
    deployment.settings = WorkerSettings(None, file)
    outputs = {name: name for name in STREAM_OUTPUTS}
    if refused:
        with pytest.raises(DeployError, match=rf"{refused}\b.*make a stream set with --parameter StreamsPerLevel=N"):
            deployment.check_streams(outputs, per_level)
    else:
        deployment.check_streams(outputs, per_level)


def test_a_route_may_name_streams_of_the_operators_own(tmp_path: Path) -> None:
    file = tmp_path / "wrangler.toml"
    file.write_text('[vars.HEADWATER]\nroutes = [{ to = ["firehose:shop", "kinesis:returns"] }]\n')
    deployment = Deployment(options().parse_args([]))
    deployment.settings = WorkerSettings(None, file)
    outputs = {name: name for name in STREAM_OUTPUTS}
    deployment.check_streams(outputs, None, {"FirehoseStreams": "other,shop", "KinesisStreams": "returns"})
    option = "--parameter KinesisStreams=alerts,returns$"
    with pytest.raises(DeployError, match=f"sends events to kinesis:returns, which .* make streams of your own with {option}"):
        deployment.check_streams(outputs, None, {"FirehoseStreams": "shop", "KinesisStreams": "alerts"})
