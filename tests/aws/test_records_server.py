"""What the demo page is shown of the records."""

import http.client
import json
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import records_server
from local_aws import HOST, Delivered, LocalAws, client

PAGE = "http://127.0.0.1:8787"


@pytest.fixture
def port(aws: LocalAws) -> Iterator[int]:
    """The port of a server for the page."""
    aws.clear()
    serving = records_server.server(aws, 8787, 0)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield serving.server_port
    serving.shutdown()
    thread.join()
    serving.server_close()


def ask(
    port: int, path: str, origin: str | None = PAGE
) -> tuple[int, http.client.HTTPMessage, object]:
    """The server's answer to a page."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("GET", path, headers={"Origin": origin} if origin else {})
    answer = connection.getresponse()
    return answer.status, answer.headers, json.loads(answer.read())


def put(aws: LocalAws, stream: str, record: dict[str, str]) -> None:
    """Deliver a record to a stream."""
    client("firehose", aws.environment()).put_record_batch(
        DeliveryStreamName=stream,
        Records=[{"Data": json.dumps(record).encode() + b"\n"}],
    )


def test_a_page_gets_the_records_it_names_as_they_come(
    aws: LocalAws, port: int
) -> None:
    path = "/records?id=a&id=b&id=c"
    put(aws, "events-low", {"event_id": "a", "name": "page_view"})
    put(aws, "events-low", {"event_id": "d", "name": "page_view"})
    status, headers, body = ask(port, path)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert body == {"a": {"event_id": "a", "name": "page_view"}}
    put(aws, "events-failed", {"event_id": "b", "code": "bad_format"})
    assert ask(port, path)[2] == {
        "a": {"event_id": "a", "name": "page_view"},
        "b": {"event_id": "b", "code": "bad_format"},
    }


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "http://127.0.0.1:8788"]
)
def test_no_other_page_gets_any(aws: LocalAws, port: int, origin: str | None) -> None:
    put(aws, "events-low", {"event_id": "a", "name": "page_view"})
    status, headers, body = ask(port, "/records?id=a", origin)
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers
    assert "page_view" not in json.dumps(body)


def test_another_address_is_not_there(port: int) -> None:
    assert ask(port, "/")[0] == 404


class SlowAws:
    """Lists what is delivered once it may."""

    def __init__(self) -> None:
        self.listings = 0
        self.is_listing, self.may_list = threading.Event(), threading.Event()

    def records(self, kind: str, skip: Collection[str]) -> list[Delivered]:
        if kind == "failed":
            return []
        self.listings += 1
        delivered = [Delivered("key", "", {"event_id": "a"})] if self.listings > 1 else []
        self.is_listing.set()
        assert self.may_list.wait(60)
        return delivered


class CountingLock:
    """A lock that says how many have asked for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.asked = threading.Semaphore(0)

    def __enter__(self) -> None:
        self.asked.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_pages_that_ask_at_once_share_one_listing() -> None:
    aws: Any = SlowAws()
    known = records_server.Records(aws)
    lock: Any = CountingLock()
    known._reading = lock
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(known.of, ["a"])
        assert aws.is_listing.wait(60)
        others = [pool.submit(known.of, ["a"]) for _ in range(5)]
        for _ in range(6):
            assert lock.asked.acquire(timeout=60)
        aws.may_list.set()
        # What was delivered while the first listing ran is in the next one, which is for all the others.
        first.result()
        assert [each.result() for each in others] == [{"a": {"event_id": "a"}}] * 5
    assert aws.listings == 2
