"""The soak's judge finds what is lost, and excuses no duplicate without its cause."""

from __future__ import annotations

import pytest

from faults.buckets import Copies
from faults.firehose_proxy import Passages
from faults.report import Result
from faults.verify_delivery import GAVE_UP, judge


class Proxy:
    """Through which each event went as is said."""

    def __init__(self, passages: Passages) -> None:
        self._passages = passages

    def passages(self, event_id: str) -> Passages:
        return self._passages


@pytest.mark.parametrize(
    ("outcome", "copies", "passages", "again", "log", "forgets", "cause"),
    [
        ("accepted", Copies(1), Passages(1, reported=[1]), False, "", False, None),
        ("accepted", Copies(0), Passages(0), False, "", False, "lost"),
        ("failed", Copies(0), Passages(0), False, "", False, "lost"),
        ("dropped", Copies(1), Passages(1, reported=[1]), False, "", False, "lost"),
        ("accepted", Copies(2), Passages(2, 1, [2]), False, "", False, "fault"),
        (
            "accepted",
            Copies(3),
            Passages(3, 1, [2, 3]),
            False,
            "",
            False,
            "unexplained",
        ),
        ("accepted", Copies(2), Passages(2, 0, [1, 2]), True, "", False, "unexplained"),
        ("accepted", Copies(2), Passages(2, 0, [1, 2]), True, "", True, "sent again"),
        ("accepted", Copies(2), Passages(2, 0, [1, 2]), False, "", True, "unexplained"),
        ("failed", Copies(2), Passages(2, 0, [1, 2]), True, "", False, "sent again"),
        (
            "accepted",
            Copies(2, 1),
            Passages(2, 0, [1, 2]),
            False,
            "",
            False,
            "fallback",
        ),
        (
            "accepted",
            Copies(2),
            Passages(2, 0, [1, 2]),
            False,
            GAVE_UP,
            False,
            "crossed",
        ),
        (
            "accepted",
            Copies(3),
            Passages(3, 0, [1, 2, 3]),
            False,
            GAVE_UP,
            False,
            "unexplained",
        ),
        (
            "accepted",
            Copies(2),
            Passages(1, 0, [1]),
            False,
            GAVE_UP,
            False,
            "unexplained",
        ),
    ],
)
def test_an_event_is_there_once_or_it_is_said_why_not(
    outcome: str,
    copies: Copies,
    passages: Passages,
    again: bool,
    log: str,
    forgets: bool,
    cause: str | None,
) -> None:
    result = Result("a scenario", 1)
    result.ledger.acknowledge(["id"], [outcome])
    if again:
        result.ledger.sent_again.add("id")
    places: dict[str, dict[str, Copies]] = {"accepted": {}, "failed": {}}
    if outcome in places and copies.number:
        places[outcome]["id"] = copies

    judge(result, places, Proxy(passages), log, forgets)  # type: ignore[arg-type]

    found = {what: number for what, number in result.duplicates.items() if number}
    if result.lost:
        found["lost"] = len(result.lost)
    assert found == ({} if cause is None else {cause: 1})
    assert bool(result.complaints) == (cause in ("lost", "unexplained"))


def test_an_event_that_is_accepted_twice_was_forgotten() -> None:
    result = Result("a scenario", 1)
    result.ledger.acknowledge(["id"], ["accepted"])
    result.ledger.acknowledge(["id"], ["accepted"])
    places = {"accepted": {"id": Copies(1)}}
    judge(result, places, Proxy(Passages(1, reported=[1])), "", False)  # type: ignore[arg-type]
    assert result.complaints == ["1 events were accepted twice"]
