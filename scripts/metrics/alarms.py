"""Prints an alarm for each thing in the worker's metrics that should not be so.

The metrics are asked with the SQL API of Analytics Engine. Each point stands for `_sample_interval` points, so counts of
busy hours are estimates.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

sys.path.append(str(Path(__file__).parents[1] / "lake"))

from command_line import DONE, FOUND, LOOPBACK, Parser, WrongUse, add_output, at_most, run, show_progress, waiting  # noqa: E402

API = "https://api.cloudflare.com/client/v4"
ANSWER_SECONDS = 30

# What the refusals of a status are most likely about.
REFUSALS = {
    401: "write keys that do not exist, or were switched off",
    403: "origins that are not allowed, or replays without a key",
    413: "bodies that are too large",
    429: "clients above the rate limit",
}
LEAST_EVENTS = 100

REQUESTS = """
SELECT blob2 AS tenant, blob4 AS status, sum(_sample_interval) AS requests,
  sum(_sample_interval * double1) AS events, sum(_sample_interval * double3) AS failed,
  sum(_sample_interval * double6) AS not_durable
FROM {dataset} WHERE blob1 = 'request' AND timestamp > now() - INTERVAL '{minutes}' MINUTE
GROUP BY tenant, status"""

OPERATORS = """
SELECT blob2 AS role, sum(_sample_interval) AS requests
FROM {dataset} WHERE blob1 = 'operator' AND blob4 = 'refused' AND timestamp > now() - INTERVAL '{minutes}' MINUTE
GROUP BY role"""

SPILLS = """
SELECT blob2 AS stream, blob3 AS shard, argMax(double1, timestamp) AS records, argMax(double3, timestamp) AS seconds
FROM {dataset} WHERE blob1 = 'spill' AND timestamp > now() - INTERVAL '{minutes}' MINUTE
GROUP BY stream, shard"""


class Stop(Exception):
    """Why nothing can be asked, in one sentence."""


@dataclass(frozen=True)
class Alarm:
    """A thing that should not be so."""

    alarm: str
    count: int
    text: str


@dataclass(frozen=True)
class Limits:
    """From when on something is an alarm."""

    refused: int
    refused_keys: int
    failed_percent: int
    spill_seconds: int
    silence: bool


class Dataset:
    """The points of the worker in Analytics Engine."""

    def __init__(self, name: str, minutes: int) -> None:
        base = os.environ.get("CLOUDFLARE_API_BASE_URL") or API
        parts = urlsplit(base)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise WrongUse("CLOUDFLARE_API_BASE_URL is neither https nor on this machine")
        account = self._from_environment("CLOUDFLARE_ACCOUNT_ID")
        token = self._from_environment("CLOUDFLARE_API_TOKEN")
        if not re.fullmatch("[0-9a-zA-Z]+", account):
            raise WrongUse("CLOUDFLARE_ACCOUNT_ID is no id of an account; `npx wrangler whoami` prints it")
        self._url = f"{base.rstrip('/')}/accounts/{account}/analytics_engine/sql"
        self._headers = {"authorization": f"Bearer {token}"}
        self._names = {"dataset": name, "minutes": minutes}
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=10, read=ANSWER_SECONDS),
            retries=urllib3.Retry(3, allowed_methods=None, status_forcelist=(429, 502, 503), backoff_factor=0.5, raise_on_status=False),
        )  # fmt: skip

    @staticmethod
    def _from_environment(name: str) -> str:
        value = os.environ.get(name, "")
        if not value or not value.isascii() or not value.isprintable():
            raise WrongUse(f"{name} is not set in the environment" if not value else f"{name} has a character that no header allows")
        return value

    def rows(self, query: str) -> list[dict[str, Any]]:
        try:
            answer = self._http.request("POST", self._url, body=query.format(**self._names), headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise Stop(f"{urlsplit(self._url).hostname} does not answer: {type(error).__name__}") from None
        if answer.status in (401, 403):
            raise Stop(f"Cloudflare answered {answer.status}: the token needs the permission \"Account Analytics: Read\"")
        if answer.status != 200:
            first = " ".join(answer.data.decode("utf-8", "replace").split())[:200]
            raise Stop(f"Cloudflare answered {answer.status}: {first}")
        try:
            return list(json.loads(answer.data)["data"])
        except (ValueError, KeyError, TypeError):
            raise Stop("Cloudflare's answer is not the JSON of a query") from None


def number(value: Any) -> int:
    """A count as JSON has it: integers of 64 bits are texts there."""
    return round(float(value or 0))


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def alarms(dataset: Dataset, limits: Limits) -> Iterator[Alarm]:
    requests = dataset.rows(REQUESTS)
    yield from of_requests(requests, limits)
    wrong = {row["role"]: number(row["requests"]) for row in dataset.rows(OPERATORS)}
    if (count := sum(wrong.values())) >= limits.refused_keys:
        roles = ", ".join(sorted(wrong))
        yield Alarm("operator_keys", count, f"{count:,} requests had a wrong operator's key, for {roles}")
    for row in dataset.rows(SPILLS):
        records, seconds = number(row["records"]), number(row["seconds"])
        if records and seconds >= limits.spill_seconds:
            text = f"{records:,} records wait in {row['shard']} for {row['stream']}, the oldest for {seconds:,} s"
            yield Alarm("spill", records, text)


def of_requests(rows: list[dict[str, Any]], limits: Limits) -> Iterator[Alarm]:
    def total(name: str) -> int:
        return sum(number(row[name]) for row in rows)

    requests, events, failed, not_durable = map(total, ("requests", "events", "failed", "not_durable"))
    if not events and not limits.silence:
        yield Alarm("no_events", 0, "no event has arrived")
    for status, about in REFUSALS.items():
        of_status = [row for row in rows if row["status"] == str(status)]
        count = sum(number(row["requests"]) for row in of_status)
        if count >= limits.refused and 100 * count >= requests:
            most = Counter({tenant_of(row): number(row["requests"]) for row in of_status}).most_common(1)[0][0]
            text = f"{count:,} requests ({percent(count, requests)}) were answered {status}, most for {most}: {about}"
            yield Alarm(f"refused_{status}", count, text)
    if not_durable and 100 * not_durable >= events:
        text = f"{not_durable:,} of {events:,} events ({percent(not_durable, events)}) were not durable: clients keep them, or lose them"
        yield Alarm("not_durable", not_durable, text)
    if events >= LEAST_EVENTS and 100 * failed >= limits.failed_percent * events:
        yield Alarm("failed", failed, f"{failed:,} of {events:,} events ({percent(failed, events)}) failed")


def tenant_of(row: dict[str, Any]) -> str:
    """Whose requests a row counts. Tenants have names of their operator's choice."""
    return f"the tenant {row['tenant']}" if row["tenant"] else "no tenant"


def dataset_name(text: str) -> str:
    """A name that can stand in SQL as it is."""
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is no name of a dataset")


def arguments() -> argparse.Namespace:
    many = at_most(1_000_000_000 - 1)
    program = Parser("scripts/alarms")
    program.add_argument("--minutes", type=at_most(1440), default=15)
    program.add_argument("--refused", type=many, default=100)
    program.add_argument("--refused-keys", type=many, default=10)
    program.add_argument("--failed-percent", type=at_most(100), default=10)
    program.add_argument("--spill-seconds", type=many, default=600)
    program.add_argument("--silence", action="store_true")
    program.add_argument("--dataset", type=dataset_name, default="headwater")
    add_output(program)
    return program.parse_args()


def print_alarms(args: argparse.Namespace) -> int:
    limits = Limits(args.refused, args.refused_keys, args.failed_percent, args.spill_seconds, args.silence)
    with waiting("asking Analytics Engine"):
        found = list(alarms(Dataset(args.dataset, args.minutes), limits))
    if args.json:
        print(json.dumps([asdict(alarm) for alarm in found]))
    else:
        for alarm in found:
            print(f"{alarm.alarm:<16}{alarm.text}")
        if not args.quiet:
            print(f"{len(found) or 'no'} alarm{'' if len(found) == 1 else 's'} in the last {args.minutes} minutes")
    return FOUND if found else DONE


def main() -> int:
    args = arguments()
    show_progress(args)
    return run("alarms", lambda: print_alarms(args), Stop, stopped="stopped")


if __name__ == "__main__":
    sys.exit(main())
