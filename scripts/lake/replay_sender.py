"""Sends failed events through the worker again, several at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait  # fmt: skip
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3
from failed_events import EventKey, FailedEvent
from objects import LakeError
from failed_event_index import Failure
from worker_client import EVENTS, REPLAY, REPLAY_HEADER, WorkerClient, WorkerError, json_of, unexpected

VERDICTS = f"{EVENTS}?verdicts=1"

# Not taken because of what it is.
REFUSED = (400, 413, 415)
REPLAYED_LATELY = "replayed_lately"

Replayed = tuple[FailedEvent, Failure, bytes]


@dataclass(frozen=True)
class Result:
    """What became of one failed event: the outcome of each event that it turned out to be."""

    failure: Failure
    outcomes: dict[EventKey, str]
    counts: Counter[tuple[str, str]]


class Sender:
    """The worker at an address, and the write keys of its tenants."""

    def __init__(self, worker: str, keys: dict[str, str], parallel: int) -> None:
        self._client = WorkerClient(worker, REPLAY, parallel)
        self._keys, self._parallel = keys, parallel

    def send_all(self, events: Iterable[Replayed]) -> Iterator[Result]:
        """The result of each, as they come; no more are read ahead than are under way.

        Where one can't be read or sent, no further is; that is raised when those under way have
        their results, since the worker took them.
        """
        under_way: set[Future[Result]] = set()
        problems: list[BaseException] = []
        with ThreadPoolExecutor(self._parallel) as pool:
            try:
                for event in events:
                    if len(under_way) >= self._parallel:
                        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                        yield from _results(done, problems)
                        if problems:
                            break
                    under_way.add(pool.submit(self._send, *event))
            except (LakeError, KeyboardInterrupt) as problem:
                problems.append(problem)
            yield from _results(as_completed(under_way), problems)
        if problems:
            raise problems[0]

    def _send(self, failed: FailedEvent, failure: Failure, original: bytes) -> Result:
        headers = {REPLAY_HEADER: failed.header()}
        if failed.original_format == "gzip_body":
            headers["content-encoding"] = "gzip"
        if key := self._keys.get(failed.tenant):
            headers["x-write-key"] = quote(key)
        headers["content-type"] = "text/plain"
        answer = self._client.ask("POST", VERDICTS, original, headers)
        return _result(failed, failure, answer)


def _results(
    done: Iterable[Future[Result]], problems: list[BaseException]
) -> Iterator[Result]:
    """The results of those that have one; `problems` gets the others'."""
    for each in done:
        if problem := each.exception():
            problems.append(problem)
        else:
            yield each.result()


def _result(
    failed: FailedEvent, failure: Failure, answer: urllib3.BaseHTTPResponse
) -> Result:
    reason = json_of(answer)
    if answer.status == 200 and "verdicts" in reason:
        return _of_verdicts(failed, failure, reason["verdicts"])
    if answer.status in REFUSED:
        outcomes = {failed.key: "failed"}
        code = str(reason.get("code", answer.status))
        return Result(failure, outcomes, Counter([("failed", code)]))
    if answer.status == 401:
        raise WorkerError(f"the worker does not know the write key of tenant {failed.tenant!r}; name it with --key")  # fmt: skip
    raise unexpected(answer)


def _of_verdicts(
    failed: FailedEvent, failure: Failure, verdicts: list[dict[str, Any]]
) -> Result:
    outcomes = {
        EventKey(failed.tenant, each["event_id"]): each["outcome"] for each in verdicts
    }
    if failed.original_format == "record" and "duplicate" in outcomes.values():
        # A replay of it was taken before. That it was lost again since can't be ruled out.
        return Result(failure, {}, Counter([("duplicate", REPLAYED_LATELY)]))
    # A body may turn out to be several beacons, or to have been one with another id.
    outcomes.setdefault(failed.key, "accepted")
    counts = Counter((each["outcome"], each.get("code", "")) for each in verdicts)
    return Result(failure, outcomes, counts)
