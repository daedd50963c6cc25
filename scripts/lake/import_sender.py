"""Sends batches of an import to the worker: signed, in its limits, and again after what passes."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import random
import re
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import urllib3
from import_form import Form
from worker_client import ANSWER_SECONDS, RETRIED, WorkerError, json_of, unexpected

# Of a request, as the worker has them by default: `limits.max_beacons` and less than `limits.max_inflated_bytes`. A worker
# with lower ones refuses a batch, which is then sent in halves.
MAX_EVENTS = 500
MAX_BYTES = 1_000_000
# The answers of a worker that does not take a body for what it is: too large, or with too many events or values.
REFUSED = (400, 413, 422)
# Of the sentence by which it refuses too many: "body has 500 beacons, limit 100".
_LIMIT = re.compile(r"beacons, limit (\d+)")
TRIES = 12
# Before anything is sent: an address with a mistake does not answer later either.
FIRST_TRIES = 4
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_ASKED = 0.25, 60.0, 600.0
SAID_PAUSE = 5.0
FAST = 1  # zlib's level: the time of a request is that of the worker


class Interrupted(Exception):
    """The run ends before this batch is sent."""


@dataclass(frozen=True)
class Verdict:
    """What became of an event."""

    outcome: str
    code: str = ""
    message: str = ""
    event_id: str | None = None
    pointer: str | None = None


class ImportSender:
    """The worker at an address, for one form of messages."""

    def __init__(self, endpoint: str, form: Form, server_key: str, write_key: str | None, parallel: int) -> None:
        self._url = f"{endpoint.rstrip('/')}{form.address}?verdicts=1"
        self._form, self._server_key = form, server_key
        # Without a tenant's key the server key stands for it. A signature comes with both: a public key has none, so no
        # event can be taken for one that a page sends now.
        self._write_key = quote(write_key or server_key)
        timeout = urllib3.Timeout(connect=10, read=ANSWER_SECONDS)
        self._http = urllib3.PoolManager(maxsize=parallel, timeout=timeout)
        self._stopped = threading.Event()
        self._tries = TRIES
        # As the worker states it, once it has refused more.
        self._most = MAX_EVENTS

    def check(self) -> None:
        """Asks the worker for nothing. Raises if waiting would not help."""
        self._tries = FIRST_TRIES
        self.send([])
        self._tries = TRIES

    def stop(self) -> None:
        """Ends the pauses of batches under way, and sends no further."""
        self._stopped.set()

    def send(self, messages: Sequence[bytes]) -> list[Verdict]:
        """The verdict of each message. Raises `WorkerError` if the worker takes none."""
        if len(messages) > self._most:
            return self._in_parts(messages, -(-len(messages) // self._most))
        body = gzip.compress(self._form.body(messages), FAST, mtime=0)
        # The limit is of what is sent, so only its gzip can be judged: by its parts, which fit, and not by halves.
        if len(body) > self._form.max_body_bytes and len(messages) > 1:
            return self._in_parts(messages, -(-len(body) // self._form.max_body_bytes))
        answer = self._answer(body)
        if answer.status == 200:
            return self._verdicts(answer, len(messages))
        if answer.status not in REFUSED or not messages:
            raise self._problem(answer)
        reason = json_of(answer)
        message = str(reason.get("message") or answer.data[:500].decode(errors="replace"))
        if len(messages) == 1:
            return [Verdict("failed", str(reason.get("code", "refused")), message)]
        if stated := _LIMIT.search(message):
            self._most = max(1, int(stated[1]))
        return self._in_parts(messages, 2)

    def _in_parts(self, messages: Sequence[bytes], count: int) -> list[Verdict]:
        size = -(-len(messages) // min(count, len(messages)))
        return [verdict for start in range(0, len(messages), size) for verdict in self.send(messages[start : start + size])]

    def _verdicts(self, answer: urllib3.BaseHTTPResponse, count: int) -> list[Verdict]:
        reported = json_of(answer).get("verdicts")
        if not isinstance(reported, list):
            raise WorkerError("the worker is of an earlier version: it reports nothing about the events of an SDK; deploy this one")
        if len(reported) != count:
            raise WorkerError(f"the worker answers {len(reported)} verdicts to {count} events")
        if any(each.get("outcome") == "over_quota" for each in reported):
            # What it has taken of them is a duplicate then.
            raise WorkerError("the tenant has used up its events of the day; raise its quota, or run the same command again tomorrow (UTC)")
        fields = ("outcome", "code", "message", "event_id", "pointer")
        return [Verdict(**{field: each[field] for field in fields if each.get(field)}) for each in reported]

    def _answer(self, body: bytes) -> urllib3.BaseHTTPResponse:
        """The last answer to a body, after pauses as the worker asks for them."""
        pause = FIRST_PAUSE
        for number in range(1, self._tries + 1):
            if self._stopped.is_set():
                raise Interrupted
            try:
                # Who is at another address may have neither the key nor the events.
                answer = self._http.request(
                    "POST", self._url, body=body, headers=self._headers(body), retries=False, redirect=False
                )
            except urllib3.exceptions.HTTPError as error:
                asked = None
                problem = WorkerError(f"{self._url.split('?')[0]} does not answer: {type(error).__name__}")
            else:
                if answer.status not in RETRIED:
                    return answer
                if json_of(answer).get("code") == "not_configured":
                    raise WorkerError(f"the worker can't accept events: {json_of(answer).get('message')}")
                asked = _seconds(answer.headers.get("retry-after"))
                problem = unexpected(answer)
            if number == self._tries:
                raise problem
            # Not all at once, and no sooner than asked.
            seconds = max(asked or 0, pause) * (1 + random.random() / 5)  # noqa: S311
            if seconds >= SAID_PAUSE:
                print(f"import: {problem}; tries again in {seconds:.0f} s", file=sys.stderr)
            self._stopped.wait(seconds)
            pause = min(pause * 2, LONGEST_PAUSE)
        raise AssertionError

    def _headers(self, body: bytes) -> dict[str, str]:
        # Anew each time: a signature is good for five minutes.
        at = str(int(time.time()))
        digits = hmac.new(self._server_key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {
            "content-type": "application/json",
            "content-encoding": "gzip",
            "x-write-key": self._write_key,
            "x-headwater-signature": f"t={at},v1={digits}",
        }

    def _problem(self, answer: urllib3.BaseHTTPResponse) -> WorkerError:
        """Why no batch would be taken. It repeats nothing of the answer that could have a part of a key."""
        text = answer.data[:2_000].decode(errors="replace")
        match answer.status:
            case 401 if "seconds old" in text:
                return WorkerError("the worker's clock and this machine's are more than 300 seconds apart")
            case 401:
                return WorkerError("the server key is none of the worker's (secret HEADWATER_SERVER_KEYS), or --key is of another tenant")
            case 404 if self._form.protocol:
                return WorkerError(f'the worker does not serve {self._form.protocol}; add it: protocols = ["{self._form.protocol}"]')
            case 301 | 302 | 307 | 308:
                return WorkerError("the endpoint redirects; name the address that it redirects to")
        return unexpected(answer)


def _seconds(header: str | None) -> float | None:
    """What `Retry-After` asks for."""
    try:
        return min(max(float(header or ""), 0), LONGEST_ASKED)
    except ValueError:
        return None
