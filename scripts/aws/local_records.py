"""Prints what the local AWS has delivered, newest last: the records of scripts/dev, as they are stored in S3."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "lake"))

from command_line import DONE, INTERRUPTED, Parser, let_reader_leave, positive, run, show_progress, waiting  # noqa: E402
from local_aws import DIRECTORY, PATIENCE_OF_COMMAND, Delivered, Kind, LocalAws, LocalAwsError  # noqa: E402

# As `tail` does.
LAST_BEFORE_FOLLOWING = 10
EACH_SECONDS = 0.5


class Reader:
    """The records of a bucket, each object once."""

    def __init__(self, aws: LocalAws, kind: Kind, names: frozenset[str]) -> None:
        self._aws, self._kind, self._names = aws, kind, names
        self._seen: set[str] = set()

    def new(self, last: int | None = None) -> list[Delivered]:
        """Those of the objects that are new; only the last of them, if so many are asked for."""
        with self._aws.answering():
            keys = [each for each in self._aws.keys(self._kind) if each not in self._seen]
            self._seen.update(keys)
            found: list[Delivered] = []
            # From the newest on, so that no more objects are read than are needed.
            for key in reversed(keys):
                found += reversed([each for each in self._aws.read(self._kind, key) if self._takes(each)])
                if last is not None and len(found) >= last:
                    break
        return found[:last][::-1]

    def _takes(self, delivered: Delivered) -> bool:
        return not self._names or delivered.record.get("name") in self._names


def records(arguments: argparse.Namespace) -> int:
    let_reader_leave()
    with waiting("waiting for the local AWS"):
        aws = LocalAws.running(arguments.dir.resolve(), PATIENCE_OF_COMMAND)
        reader = Reader(aws, "failed" if arguments.failed else "data", frozenset(arguments.name))
        last = arguments.last or (LAST_BEFORE_FOLLOWING if arguments.follow else None)
        found = reader.new(last)
    for line in _lines(found, pretty=arguments.pretty):
        print(line)
    try:
        while arguments.follow:
            sys.stdout.flush()
            time.sleep(EACH_SECONDS)
            for line in _lines(reader.new(), pretty=arguments.pretty):
                print(line)
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


def _lines(found: list[Delivered], *, pretty: bool) -> Iterator[str]:
    for each in found:
        yield json.dumps(each.record, ensure_ascii=False, indent=2) if pretty else each.line


def main() -> int:
    parser = Parser("scripts/dev records")
    parser.add_argument("--failed", action="store_true")
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--pretty", action="store_true")
    parser.add_argument("--last", type=positive, metavar="N")
    parser.add_argument("--name", action="append", default=[], metavar="NAME")
    parser.add_argument("--quiet", action="store_true")
    # Of the tests.
    parser.add_argument("--dir", type=Path, default=DIRECTORY)
    arguments = parser.parse_args()
    show_progress(arguments)
    return run("records", lambda: records(arguments), LocalAwsError)


if __name__ == "__main__":
    sys.exit(main())
