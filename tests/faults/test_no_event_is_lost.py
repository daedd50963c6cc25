"""The short form of the soak: each scenario with few events, for every run of the tests.

The long form is scripts/soak. A run that fails says its seed; HEADWATER_SEED=N runs it again.
"""

from __future__ import annotations

import random

import pytest

from behaviours import Behaviour, Effect, WrongLength
from local import LocalAws
from scenarios import SCENARIOS, Scenario
from soak import Setting, Soak

EVENTS = 2_500
SECONDS = 5
OUTAGE_SECONDS = 5


@pytest.fixture(scope="module")
def soak(own_aws: LocalAws, seed: int) -> Soak:
    """The soak, with so few events that all scenarios together take less than 3 minutes."""
    return Soak(own_aws, Setting(EVENTS, SECONDS, OUTAGE_SECONDS, seed))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_what_was_acknowledged_is_in_s3(soak: Soak, scenario: Scenario) -> None:
    result = soak.run(scenario)

    assert result.complaints == [], f"HEADWATER_SEED={result.seed}"
    assert result.troubles, "a run in which nothing goes wrong proves nothing"
    assert result.ledger.counts["duplicate"], "what was sent again is a duplicate"


def test_a_stream_that_says_it_took_what_it_did_not_is_found_out(soak: Soak) -> None:
    def lie(chance: random.Random, records: int) -> Behaviour:
        return WrongLength(0, Effect.NONE)

    result = soak.run(Scenario("a lie", lie), events=100)

    assert len(result.lost) == len(result.ledger.promised)
    assert result.complaints
