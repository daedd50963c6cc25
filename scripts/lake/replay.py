"""Sends failed events through the worker again, once their cause is fixed.

Each keeps its own id, times and visitor's data, and is checked against
the current rules. Nothing of an event is printed but its code, schema and tenant.

It ends with 0 when all that is meant came through, with 1 when some failed again or can't be
sent, and with 2 when it had to stop: run again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import time_args
from failed_events import EventKey
from replay_state import ReplayState, Standing
from objects import Damaged, Kind, LakeError, Objects, objects
from failed_event_index import Failure, Filter, counts, find, read_again
from replay_sender import REPLAYED_LATELY, Sender
from shown_text import progress_stream
from tqdm import tqdm
from worker_client import WorkerError, parser, run

STATE = Path(__file__).parents[2] / ".wrangler" / "replay"
# The prefixes of failed events and of Firehose's own errors.
OF_LOCAL: list[tuple[Kind, str]] = [("failed", ""), ("data", "errors/")]
ALL_CAME_THROUGH, SOME_DID_NOT = 0, 1


@dataclass(frozen=True)
class Choice:
    """What is to be sent of the failed events that are meant, and how many of the rest there are."""

    chosen: dict[EventKey, Failure]
    came_through: int
    failed_again: int
    not_whole: int

    @classmethod
    def of(
        cls,
        failures: dict[EventKey, Failure],
        state: ReplayState,
        again: bool,
        limit: int | None,
    ) -> Choice:
        by_standing: dict[Standing, dict[EventKey, Failure]] = defaultdict(dict)
        for key, failure in failures.items():
            standing = state.standing(key, failure.failed_at)
            by_standing[standing][key] = failure
        left = by_standing["unsent"]
        if again:
            left |= by_standing.pop("failed", {})
        whole = {key: each for key, each in left.items() if each.is_whole}
        by_age = sorted(whole.items(), key=lambda item: (item[1].received_at, item[0]))
        settled, failed = by_standing["settled"], by_standing["failed"]
        return cls(
            dict(by_age[:limit]), len(settled), len(failed), len(left) - len(whole)
        )

    @property
    def left_out(self) -> int:
        """How many neither came through nor are sent now, whatever the limit."""
        return self.failed_again + self.not_whole

    def show(self) -> None:
        print(f"{len(self.chosen)} failed events to send")
        if self.came_through:
            print(f"{self.came_through} came through before")
        if self.failed_again:
            print(f"{self.failed_again} failed again before; --again sends them too")
        if self.not_whole:
            print(
                f"{self.not_whole} can't be sent: their originals were not kept whole"
            )


def main() -> int:
    arguments = _arguments()
    return run("replay", lambda: _replay(arguments), LakeError)


def _replay(arguments: argparse.Namespace) -> int:
    sources: list[Objects] = [
        each for source in arguments.source for each in objects(source, OF_LOCAL)
    ]
    wanted = Filter(
        arguments.since,
        arguments.until,
        frozenset(arguments.code),
        frozenset(arguments.schema),
        frozenset(arguments.tenant),
    )
    damages: list[Damaged] = []
    with _bar("reading", None, "object") as bar:
        failures = find(sources, wanted, bar.update, damages.append)
    if damages:
        print(f"replay: {damages[0]}; {len(damages)} of that kind are left out", file=sys.stderr)  # fmt: skip
    state = ReplayState(arguments.resume or _resume_file(arguments))
    choice = Choice.of(failures, state, arguments.again, arguments.limit)
    choice.show()
    if arguments.dry_run:
        _print_table(("code", "schema", "would be sent"), counts(choice.chosen))
        return ALL_CAME_THROUGH
    results = _send(arguments, sources, choice.chosen, state)
    _print_table(("outcome", "code", "events"), results)
    failed = any(
        outcome == "failed" or code == REPLAYED_LATELY for outcome, code in results
    )
    left_out = choice.left_out or damages
    return SOME_DID_NOT if failed or left_out else ALL_CAME_THROUGH


def _send(
    arguments: argparse.Namespace,
    sources: list[Objects],
    chosen: dict[EventKey, Failure],
    state: ReplayState,
) -> Counter[tuple[str, str]]:
    if not chosen:
        return Counter()
    keys = dict(arguments.key)
    tenants = (
        {failure.tenant for failure in chosen.values()} - {"default"} - keys.keys()
    )
    if tenants:
        names = ", ".join(sorted(tenants))
        raise WorkerError(
            f"there is no --key for {names}; name them as --key TENANT=KEY"
        )
    sender = Sender(arguments.worker, keys, arguments.parallel)
    results: Counter[tuple[str, str]] = Counter()
    try:
        with _bar("sending", len(chosen), "event") as bar:
            for result in sender.send_all(read_again(sources, chosen)):
                state.note(result.outcomes, result.failure.failed_at)
                results += result.counts
                bar.update()
    except BaseException:
        _print_table(("outcome", "code", "events"), results)
        raise
    return results


def _bar(what: str, total: int | None, unit: str) -> tqdm:
    """A progress bar, on a terminal."""
    return tqdm(desc=what, total=total, unit=f" {unit}s", file=progress_stream(), disable=None)


def _print_table(head: tuple[str, str, str], rows: Counter[tuple[str, str]]) -> None:
    if not rows:
        return
    table = [
        head,
        *((one, other, str(count)) for (one, other), count in rows.most_common()),
    ]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for one, other, count in table:
        print(f"{one:<{widths[0]}}  {other:<{widths[1]}}  {count:>{widths[2]}}")


def _resume_file(arguments: argparse.Namespace) -> Path:
    """One for each worker that is replayed to, so that another source changes nothing."""
    return STATE / (
        re.sub(r"[^\w.-]", "_", urlsplit(arguments.worker).netloc) + ".sqlite"
    )


def _key(text: str) -> tuple[str, str]:
    tenant, _, key = text.partition("=")
    if not tenant or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not TENANT=KEY")
    return tenant, key


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _arguments() -> argparse.Namespace:
    assert __doc__
    arguments = parser("scripts/replay", __doc__)
    arguments.add_argument("source", nargs="+", help="s3://BUCKET/PREFIX or a directory: failed events, or Firehose's errors; `local` is both of scripts/dev")  # fmt: skip
    arguments.add_argument("--key", type=_key, action="append", default=[], metavar="TENANT=KEY", help="a tenant's write key, if there are several tenants")  # fmt: skip
    arguments.add_argument("--since", type=time_args.argument, metavar="TIME", help="received at or after this time, such as 2026-11-21, 7d or yesterday")  # fmt: skip
    arguments.add_argument("--until", type=time_args.argument, metavar="TIME", help="received before this time")  # fmt: skip
    arguments.add_argument("--code", action="append", default=[], help="failed for this reason, or one of several")  # fmt: skip
    arguments.add_argument("--schema", action="append", default=[], metavar="EVENT", help="failed against this event's schema, or one of several")  # fmt: skip
    arguments.add_argument("--tenant", action="append", default=[], help="of this tenant, or one of several")  # fmt: skip
    arguments.add_argument(
        "--limit", type=_positive, metavar="N", help="the oldest N only"
    )
    arguments.add_argument("--again", action="store_true", help="those too that were replayed before and failed again")  # fmt: skip
    arguments.add_argument("--dry-run", action="store_true", help="say what would be sent, by code and schema")  # fmt: skip
    arguments.add_argument("--resume", type=Path, metavar="FILE", help="what became of each so far; by default .wrangler/replay/HOST.sqlite")  # fmt: skip
    arguments.add_argument("--parallel", type=_positive, default=32, metavar="N", help="events under way at once (32)")  # fmt: skip
    return arguments.parse_args()


if __name__ == "__main__":
    sys.exit(main())
