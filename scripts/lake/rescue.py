"""Takes what the worker's shards have set aside out of them, into files for scripts/replay.

That is what waits for nothing any more: failed events that their own stream refuses for good,
and what is garbled. With --stream it is what waits for a stream that no route names any more: its
shards set that aside first, so that no record is both in a file and delivered. Each row is in a file
of DIR, on the disk, before its shard lets go of it. Run again after anything, it goes on. The files
hold what people sent: they are for their owner only.

It ends with 0 when nothing is set aside any more, and with 2 when it had to stop.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from worker_client import SET_ASIDE, WorkerClient, WorkerError, parser, run, told, unexpected

ALL_IS_OUT = 0


def main() -> int:
    arguments = _arguments()
    return run("rescue", lambda: _rescue(arguments), OSError)


def _rescue(arguments: argparse.Namespace) -> int:
    records = rows = 0
    client = WorkerClient(arguments.worker)
    arguments.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    more = True
    try:
        while more:
            more = bool(arguments.stream) and _withdraw(client, arguments.stream)
            for name, lines in _rows(client, arguments.stream):
                _keep(arguments.directory, name, lines)
                answer = client.ask("DELETE", _address(row=name))
                if answer.status != 204:
                    raise unexpected(answer)
                rows, records = rows + 1, records + lines.count(b"\n")
    finally:
        if rows:
            print(f"{records} records in {rows} files of {arguments.directory}")
    if not rows:
        of_stream = f" of {arguments.stream}" if arguments.stream else ""
        print(f"nothing is set aside{of_stream}")
    return ALL_IS_OUT


def _withdraw(client: WorkerClient, stream: str) -> bool:
    """Asks the shards to quarantine waiting records of a stream; returns whether more wait."""
    answer = client.ask("POST", _address(stream=stream))
    if answer.status == 400:
        raise WorkerError(told(answer).get("message", "the worker knows no such stream"))
    if answer.status not in (202, 204):
        raise unexpected(answer)
    return answer.status == 202


def _address(**query: str | None) -> str:
    """Returns the path of the quarantine with this query."""
    given = {key: value for key, value in query.items() if value}
    return f"{SET_ASIDE}?{urlencode(given)}" if given else SET_ASIDE


def _rows(client: WorkerClient, stream: str | None) -> Iterator[tuple[str, bytes]]:
    """Each row with its name, in the order of the shards; of one stream if one is named."""
    after = ""
    while True:
        answer = client.ask("GET", _address(stream=stream, after=after))
        if answer.status == 204:
            return
        after = answer.headers.get("x-headwater-row", "")
        if answer.status != 200 or not after:
            raise unexpected(answer)
        # Where a connection ends before it told the length, an answer that is cut short looks whole.
        if answer.headers.get("x-headwater-row-bytes") != str(len(answer.data)):
            raise WorkerError("an answer of the worker's was cut short; run it again")
        yield after, answer.data


def _keep(directory: Path, name: str, lines: bytes) -> None:
    """Writes a row's file, for its owner only, and waits until no power cut takes it."""
    path = directory / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.jsonl"
    # What is not whole has a name that nobody reads.
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".", delete=False) as file:
        try:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    for folder in (directory, directory.parent):
        _sync(folder)


def _sync(directory: Path) -> None:
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _arguments() -> argparse.Namespace:
    assert __doc__
    arguments = parser("scripts/rescue", __doc__)
    arguments.add_argument("directory", type=Path, metavar="DIR", help="where the files go; made if it is not there")  # fmt: skip
    arguments.add_argument("--stream", metavar="firehose:NAME", help="take out what waits for this stream, which no route names any more")  # fmt: skip
    return arguments.parse_args()


if __name__ == "__main__":
    sys.exit(main())
