"""The short form of the soak: each scenario with few events, for every run of the tests.

The long form is scripts/soak. A run that fails says its seed; HEADWATER_SEED=N runs it again.
"""

from __future__ import annotations

import random

import pytest

from faults.scenarios import SCENARIOS, Scenario
from faults.soak import Result, Setting, Soak
from local_aws import LocalAws
from support.faults import Behaviour, Effect, WrongLength

EVENTS = 2_500
SECONDS = 5
OUTAGE_SECONDS = 5
AFTERMATH_SECONDS = 5
AT_ONCE = 4


@pytest.fixture(scope="module")
def soak(aws: LocalAws, seed: int) -> Soak:
    """The soak, with so few events that all scenarios together take less than 3 minutes."""
    return Soak(
        aws, Setting(EVENTS, SECONDS, OUTAGE_SECONDS, AFTERMATH_SECONDS, seed)
    )


@pytest.fixture(scope="module")
def results(soak: Soak) -> dict[str, Result]:
    """What came of each scenario, by its name."""
    return {result.name: result for result in soak.run_all(SCENARIOS, AT_ONCE)}


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_every_acknowledged_event_is_in_s3(results: dict[str, Result], name: str) -> None:
    result = results[name]
    assert result.complaints == [], f"HEADWATER_SEED={result.seed}"
    assert len(result.ledger.promised) >= EVENTS
    assert result.troubles, "a run in which nothing goes wrong proves nothing"


def test_a_resent_event_is_answered_as_a_duplicate(
    results: dict[str, Result],
) -> None:
    assert all(result.ledger.counts["duplicate"] for result in results.values())


@pytest.mark.parametrize("name", ["outage", "killed", "evicted"])
def test_records_that_the_stream_rejects_are_spilled(
    results: dict[str, Result], name: str
) -> None:
    assert results[name].most_spilled


def test_a_stream_that_confirms_lost_records_is_detected(soak: Soak) -> None:
    def lie(chance: random.Random, records: int) -> Behaviour:
        return WrongLength(0, Effect.NONE)

    result = soak.run(Scenario("a lie", lie), events=100)

    assert len(result.lost) == len(result.ledger.promised)
    assert result.complaints
