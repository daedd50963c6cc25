"""Sends failed events through the worker again, several at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait  # fmt: skip
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3
from failed_events import EventKey, FailedEvent
from objects import LakeError
from selection import Failure

# A worker that is overloaded, or whose stream does not take records, says when to come again.
RETRIED = (429, 502, 503, 504)
TRIES = 8
CONNECTS = 4
ANSWER_SECONDS = 60
# Not taken because of what it is.
REFUSED = (400, 413, 415)
REPLAYED_LATELY = "replayed_lately"

Replayed = tuple[FailedEvent, Failure, bytes]


class WorkerError(Exception):
    """Why the worker can't be sent anything, in one sentence."""


@dataclass(frozen=True)
class Result:
    """What became of one failed event: the outcome of each event that it turned out to be."""

    failure: Failure
    outcomes: dict[EventKey, str]
    counts: Counter[tuple[str, str]]


class Sender:
    """The worker at an address, and what it wants to see before it lets anybody replay."""

    def __init__(
        self, worker: str, replay_key: str, keys: dict[str, str], parallel: int
    ) -> None:
        self._url = f"{worker.rstrip('/')}/v1/events?verdicts=1"
        self._replay_key, self._keys, self._parallel = replay_key, keys, parallel
        self._retry = urllib3.Retry(
            total=TRIES,
            connect=CONNECTS,
            allowed_methods=None,
            status_forcelist=RETRIED,
            backoff_factor=0.2,
            backoff_jitter=0.2,
            backoff_max=60,
            raise_on_status=False,
        )
        timeout = urllib3.Timeout(connect=10, read=ANSWER_SECONDS)
        self._http = urllib3.PoolManager(maxsize=parallel, timeout=timeout)

    def check(self) -> None:
        """Raises what no waiting mends; a replay that tells of nothing changes nothing."""
        at_once = self._retry.new(status_forcelist=(), respect_retry_after_header=False)
        _, told = self._post(b"", {"x-headwater-replay": "{}"}, at_once)
        if told.get("code") == "not_configured":
            raise WorkerError(f"the worker can't take events: {told.get('message')}")

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
        headers = {"x-headwater-replay": failed.header()}
        if failed.original_form == "gzip_body":
            headers["content-encoding"] = "gzip"
        if key := self._keys.get(failed.tenant):
            headers["x-write-key"] = quote(key)
        status, told = self._post(original, headers, self._retry)
        return _result(failed, failure, status, told)

    def _post(
        self, body: bytes, headers: dict[str, str], retries: urllib3.Retry
    ) -> tuple[int, dict[str, Any]]:
        key = {"authorization": f"Bearer {self._replay_key}"}
        try:
            # Who is at another address may not have the key, nor the event.
            answer = self._http.request(
                "POST",
                self._url,
                body=body,
                headers={"content-type": "text/plain", **key, **headers},
                retries=retries,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            why = type(getattr(error, "reason", None) or error).__name__
            raise WorkerError(f"{self._url} does not answer: {why}") from None
        return answer.status, _json(answer.data)


def _results(
    done: Iterable[Future[Result]], problems: list[BaseException]
) -> Iterator[Result]:
    """The results of those that have one; `problems` gets the others'."""
    for each in done:
        if problem := each.exception():
            problems.append(problem)
        else:
            yield each.result()


def _json(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _result(
    failed: FailedEvent, failure: Failure, status: int, told: dict[str, Any]
) -> Result:
    code = str(told.get("code", ""))
    if status == 200 and "verdicts" in told:
        return _of_verdicts(failed, failure, told["verdicts"])
    if status in REFUSED:
        outcomes = {failed.key: "failed"}
        return Result(failure, outcomes, Counter([("failed", code or str(status))]))
    if status == 403 and code == "replay_not_allowed":
        raise WorkerError(
            "the worker's secret HEADWATER_REPLAY_KEY is another one, or is not set"
        )
    if status == 401:
        raise WorkerError(f"the worker does not know the write key of tenant {failed.tenant!r}; name it with --key")  # fmt: skip
    raise WorkerError(
        f"the worker answers {status} {code or 'in words of its own'}".strip()
    )


def _of_verdicts(
    failed: FailedEvent, failure: Failure, verdicts: list[dict[str, Any]]
) -> Result:
    outcomes = {
        EventKey(failed.tenant, each["event_id"]): each["outcome"] for each in verdicts
    }
    if failed.original_form == "record" and "duplicate" in outcomes.values():
        # A replay of it was taken before. That it was lost again since can't be ruled out.
        return Result(failure, {}, Counter([("duplicate", REPLAYED_LATELY)]))
    # A body may turn out to be several beacons, or to have been one with another id.
    outcomes.setdefault(failed.key, "accepted")
    counts = Counter((each["outcome"], each.get("code", "")) for each in verdicts)
    return Result(failure, outcomes, counts)
