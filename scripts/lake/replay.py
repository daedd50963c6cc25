"""Sends failed events through the worker again, once their cause is fixed.

Each keeps its own id, times and visitor's data, and is checked against
the current rules. Nothing of an event is printed but its code, schema and tenant.

Its exit code is 0 if all that is meant came through, and 1 if some failed again or can't be sent, or
if it had to stop: run again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import time_args
from command_line import DONE, FOUND, Parser, WrongUse, add_output, add_worker, bar, positive, run, show_progress, state_file
from failed_events import EventKey
from replay_state import ReplayState, Standing
from objects import Damaged, Kind, LakeError, Objects, objects
from failed_event_index import Failure, Filter, counts, find, read_again
from replay_sender import REPLAYED_LATELY, Sender
from worker_client import WorkerError

STATE = Path(__file__).parents[2] / ".wrangler" / "replay"
# The prefixes of failed events and of Firehose's own errors.
OF_LOCAL: list[tuple[Kind, str]] = [("failed", ""), ("data", "errors/")]


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

    def document(self) -> dict[str, int]:
        """The same as `show`, for a program."""
        return {
            "to_send": len(self.chosen),
            "came_through_before": self.came_through,
            "failed_again_before": self.failed_again,
            "not_whole": self.not_whole,
        }

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
    show_progress(arguments)
    return run("replay", lambda: _replay(arguments), LakeError, WorkerError)


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
    with bar("reading", "objects") as reading:
        failures = find(sources, wanted, reading.update, damages.append)
    if damages:
        print(f"replay: {damages[0]}; {len(damages)} of that kind are left out", file=sys.stderr)  # fmt: skip
    state = ReplayState(arguments.resume or state_file(STATE, arguments.worker))
    choice = Choice.of(failures, state, arguments.again, arguments.limit)
    says = not (arguments.json or arguments.quiet)
    if says:
        choice.show()
    if arguments.dry_run:
        planned = counts(choice.chosen)
        if says:
            _print_table(("code", "schema", "would be sent"), planned)
        elif arguments.json:
            by_code = [{"code": code, "schema": schema, "events": events} for (code, schema), events in planned.most_common()]
            print(json.dumps({**choice.document(), "would_be_sent": by_code}))
        return DONE
    results = Counter[tuple[str, str]]()
    finished = False
    try:
        _send(arguments, sources, choice.chosen, state, results)
        finished = True
    finally:
        if says:
            _print_table(("outcome", "code", "events"), results)
        elif arguments.json:
            by_outcome = [{"outcome": outcome, "code": code, "events": events} for (outcome, code), events in results.most_common()]
            print(json.dumps({**choice.document(), "finished": finished, "outcomes": by_outcome, "damaged": len(damages)}))
    failed = any(
        outcome == "failed" or code == REPLAYED_LATELY for outcome, code in results
    )
    return FOUND if failed or choice.left_out or damages else DONE


def _send(
    arguments: argparse.Namespace,
    sources: list[Objects],
    chosen: dict[EventKey, Failure],
    state: ReplayState,
    results: Counter[tuple[str, str]],
) -> None:
    """Sends all, and counts in `results` what became of each so far."""
    if not chosen:
        return
    keys = dict(arguments.key)
    tenants = (
        {failure.tenant for failure in chosen.values()} - {"default"} - keys.keys()
    )
    if tenants:
        names = ", ".join(sorted(tenants))
        raise WrongUse(f"there is no --key for {names}; name them as --key TENANT=KEY")
    sender = Sender(arguments.worker, keys, arguments.parallel)
    with bar("sending", "events", len(chosen)) as sending:
        for result in sender.send_all(read_again(sources, chosen)):
            state.note(result.outcomes, result.failure.failed_at)
            results.update(result.counts)
            sending.update()


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


def _key(text: str) -> tuple[str, str]:
    tenant, _, key = text.partition("=")
    if not tenant or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not TENANT=KEY")
    return tenant, key


def _arguments() -> argparse.Namespace:
    parser = Parser("scripts/replay")
    add_worker(parser)
    add = parser.add_argument
    add("source", nargs="+", metavar="SOURCE")
    add("--key", type=_key, action="append", default=[], metavar="TENANT=KEY")
    add("--since", type=time_args.argument, metavar="TIME")
    add("--until", type=time_args.argument, metavar="TIME")
    add("--code", action="append", default=[], metavar="CODE")
    add("--schema", action="append", default=[], metavar="EVENT")
    add("--tenant", action="append", default=[], metavar="TENANT")
    add("--limit", type=positive, metavar="N")
    add("--again", action="store_true")
    add("--dry-run", action="store_true")
    add("--resume", type=Path, metavar="FILE")
    add("--parallel", type=positive, default=32, metavar="N")
    add_output(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
