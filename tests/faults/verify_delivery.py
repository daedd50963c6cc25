"""Whether what was promised is in S3, and why some of it is there more than once."""

from __future__ import annotations

from faults.buckets import Copies
from faults.firehose_proxy import FirehoseProxy
from faults.report import Result

# What the worker's log says of a delivery that stopped waiting for a call.
GAVE_UP = "no answer within the deadline"


def judge(
    result: Result,
    places: dict[str, dict[str, Copies]],
    proxy: FirehoseProxy,
    log: str,
    forgets: bool,
) -> None:
    """Looks for each promised event where its outcome says that it is.

    `places` are the copies by outcome. `forgets` says that the worker may have forgotten
    which events it has seen.
    """
    ledger = result.ledger
    crossed: dict[str, list[int]] = {}
    for id, outcome in ledger.promised.items():
        copies = places.get(outcome, {}).get(id, Copies())
        passages = proxy.passages(id)
        # Failed events have no device, and so nothing remembers them.
        forgotten = forgets or outcome == "failed"
        if not copies.number:
            result.lost.append(id)
        elif copies.number == 1:
            continue
        elif copies.number - 1 <= passages.untold:
            result.duplicates["fault"] += 1
        elif copies.direct:
            result.duplicates["fallback"] += 1
        elif id in ledger.sent_again and forgotten:
            result.duplicates["sent again"] += 1
        else:
            crossed[id] = passages.reported[:-1]

    # An answer and the end of its deadline may cross. Then the connection stays, and the
    # worker says that it gave up; of as many calls as it says so, and no more.
    calls = {call for reported in crossed.values() for call in reported}
    told_in_time = not all(crossed.values()) or len(calls) > log.count(GAVE_UP)
    cause = "unexplained" if told_in_time else "crossed"
    result.duplicates[cause] += len(crossed)

    twice = ledger.counts["taken twice"]
    if twice and not forgets:
        ledger.complain(f"{twice} events were accepted twice")
