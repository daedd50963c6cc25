"""The worker at an address, as the operator's programs ask it, with the operator's key."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from command_line import WrongUse

OPERATOR_KEY = "HEADWATER_OPERATOR_KEY"
EVENTS, QUARANTINE = "/v1/events", "/_/quarantine"
REPLAY_HEADER = "X-Headwater-Replay"

# A worker that is overloaded, or whose stream does not take records, says when to come again. The edge before it has
# codes of its own: https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
RETRIED = (429, *range(500, 600))
TRIES = 8
CONNECTS = 4
ANSWER_SECONDS = 60

RETRIES = urllib3.Retry(
    total=TRIES,
    connect=CONNECTS,
    allowed_methods=None,
    status_forcelist=RETRIED,
    backoff_factor=0.2,
    backoff_jitter=0.2,
    backoff_max=60,
    raise_on_status=False,
)
NO_RETRIES = RETRIES.new(status_forcelist=(), respect_retry_after_header=False)


class WorkerError(Exception):
    """Why the worker can't be asked anything, in one sentence."""


@dataclass(frozen=True)
class Role:
    """What a key opens, and a request with which the worker shows whether it does, and nothing else."""

    name: str
    method: str
    address: str
    headers: Mapping[str, str]


# The header of no failed event, and a method that the address does not have: both are refused, after the key.
REPLAY = Role("replay", "POST", EVENTS, {REPLAY_HEADER: "{}"})
QUARANTINED = Role("quarantine", "PUT", QUARANTINE, {})


class WorkerClient:
    """The worker, asked with an operator's key of a role.

    Making one raises if waiting would not help.
    """

    def __init__(self, worker: str, role: Role, parallel: int = 1) -> None:
        self._worker = worker.rstrip("/")
        self._role = role
        self._key = os.environ.get(OPERATOR_KEY, "")
        if not self._key:
            raise WrongUse(f"{OPERATOR_KEY} is not set; it is the worker's secret of that name")
        if not (self._key.isascii() and self._key.isprintable()):
            raise WrongUse(f"{OPERATOR_KEY} has a character that no header allows")
        timeout = urllib3.Timeout(connect=10, read=ANSWER_SECONDS)
        self._http = urllib3.PoolManager(maxsize=parallel, timeout=timeout)
        self._check()

    def _check(self) -> None:
        role = self._role
        answer = self.ask(role.method, role.address, headers=role.headers, retries=NO_RETRIES)
        reason = json_of(answer)
        if reason.get("code") == "not_configured":
            raise WorkerError(f"the worker can't accept events: {reason.get('message')}")

    def ask(
        self,
        method: str,
        address: str,
        body: bytes = b"",
        headers: Mapping[str, str] = {},  # noqa: B006 (never changed)
        retries: urllib3.Retry = RETRIES,
    ) -> urllib3.BaseHTTPResponse:
        """The answer, whatever it says but that the key is not the worker's."""
        url = self._worker + address
        key = {"authorization": f"Bearer {self._key}"}
        try:
            # Who is at another address may not have the key, nor the event.
            answer = self._http.request(
                method,
                url,
                body=body,
                headers={**key, **headers},
                retries=retries,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            why = type(getattr(error, "reason", None) or error).__name__
            raise WorkerError(f"{url} does not answer: {why}") from None
        if answer.status == 403 and json_of(answer).get("code") == "operator_key_required":
            raise WrongUse(
                f"the worker's secret {OPERATOR_KEY} is another one, or this key does not have the role {self._role.name}"
            )
        return answer


def json_of(answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    """The JSON object of an answer, if it has one."""
    try:
        document = json.loads(answer.data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def unexpected(answer: urllib3.BaseHTTPResponse) -> WorkerError:
    """An answer that does not depend on the events."""
    code = json_of(answer).get("code", "in words of its own")
    return WorkerError(f"the worker answers {answer.status} {code}")
