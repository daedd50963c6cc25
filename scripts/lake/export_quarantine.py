"""Exports quarantined records from the worker's shards to files for scripts/replay.

No retry can deliver these records: failed events that their own stream rejects for good, and rows
that cannot be decoded. With --stream, the script exports the records that wait for a stream that no
route names any more. The shards quarantine those first, so no record is both exported and delivered.
Each row is written to a file of DIR, and synced, before its shard deletes it. If the script stops,
run it again: it continues. The files contain what people sent; only their owner can read them.

Its exit code is 0 if no record is quarantined any more, and 1 if it had to stop.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from command_line import DONE, Parser, add_output, add_worker, amount, bar, run, show_progress
from worker_client import QUARANTINE, QUARANTINED, WorkerClient, WorkerError, json_of, unexpected


def main() -> int:
    arguments = _arguments()
    show_progress(arguments)
    return run("export-quarantine", lambda: _export(arguments), WorkerError, OSError)


def _export(arguments: argparse.Namespace) -> int:
    records = rows = 0
    client = WorkerClient(arguments.worker, QUARANTINED)
    arguments.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    more = True
    exporting = bar("exporting", "records")
    try:
        while more:
            more = bool(arguments.stream) and _withdraw(client, arguments.stream)
            for name, lines in _rows(client, arguments.stream):
                _keep(arguments.directory, name, lines)
                answer = client.ask("DELETE", _address(row=name))
                if answer.status != 204:
                    raise unexpected(answer)
                rows, records = rows + 1, records + lines.count(b"\n")
                exporting.update(lines.count(b"\n"))
    finally:
        exporting.close()
        if arguments.json:
            print(json.dumps({"records": records, "files": rows, "directory": str(arguments.directory)}))
        elif rows and not arguments.quiet:
            print(f"{amount(records, 'record')} in {amount(rows, 'file')} of {arguments.directory}")
    if not rows and not arguments.json and not arguments.quiet:
        of_stream = f" of {arguments.stream}" if arguments.stream else ""
        print(f"nothing is quarantined{of_stream}")
    return DONE


def _withdraw(client: WorkerClient, stream: str) -> bool:
    """Asks the shards to quarantine waiting records of a stream; returns whether more wait."""
    answer = client.ask("POST", _address(stream=stream))
    if answer.status == 400:
        raise WorkerError(json_of(answer).get("message", "the worker knows no such stream"))
    if answer.status not in (202, 204):
        raise unexpected(answer)
    return answer.status == 202


def _address(**query: str | None) -> str:
    """Returns the path of the quarantine with this query."""
    given = {key: value for key, value in query.items() if value}
    return f"{QUARANTINE}?{urlencode(given)}" if given else QUARANTINE


def _rows(client: WorkerClient, stream: str | None) -> Iterator[tuple[str, bytes]]:
    """Yields each quarantined row with its id, shard by shard; those of one stream if one is named."""
    after = ""
    while True:
        answer = client.ask("GET", _address(stream=stream, after=after))
        if answer.status == 204:
            return
        after = answer.headers.get("x-headwater-quarantine-id", "")
        if answer.status != 200 or not after:
            raise unexpected(answer)
        # If a connection ends before its length is known, a truncated response looks complete.
        if answer.headers.get("x-headwater-quarantine-bytes") != str(len(answer.data)):
            raise WorkerError("a response of the worker was truncated; run the script again")
        yield after, answer.data


def _keep(directory: Path, name: str, lines: bytes) -> None:
    """Writes a row's file, readable by its owner only, and syncs it to the disk."""
    path = directory / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.jsonl"
    # An incomplete file has a name that scripts/replay ignores.
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
    parser = Parser("scripts/export-quarantine")
    add_worker(parser)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--stream", metavar="firehose:NAME")
    add_output(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
