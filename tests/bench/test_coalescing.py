"""Few calls from many beacons, in short: the counts of the measurement, not its times."""

from dataclasses import replace

import pytest

from beacon_load import Load
from coalescing import Measured, Mode, measure
from counting_firehose import Report

# Enough to make the memory of Wasm grow while calls are under way.
LOAD = Load(rate=800, warm_up_seconds=1, seconds=3)


@pytest.fixture(scope="module")
def direct() -> Measured:
    """The load without a shard."""
    return measure(Mode(0), LOAD)


def test_without_a_shard_each_beacon_is_a_call(direct: Measured) -> None:
    assert direct.mistakes() == []
    assert len(direct.report.calls) == len(direct.result.beacons)
    check_counts(direct)


@pytest.mark.parametrize("mode", [Mode(1), Mode(4)], ids=lambda mode: mode.name)
def test_shards_make_few_calls_of_many_beacons(mode: Mode) -> None:
    measured = measure(mode, LOAD)
    assert measured.mistakes() == []
    assert measured.calls < measured.result.acknowledged_in_time / 4
    check_counts(measured)


def test_too_many_calls_and_a_loss_are_mistakes(direct: Measured) -> None:
    too_many = replace(direct, mode=Mode(1))
    assert [mistake for mistake in too_many.mistakes() if "calls, more than" in mistake]
    ids = direct.report.ids - {direct.result.beacons[0].event_id}
    lost = replace(direct, report=Report(direct.report.calls, ids))
    assert lost.mistakes() == ["direct: 1 acknowledged events did not arrive"]


def check_counts(measured: Measured) -> None:
    """Holds both ends' counts to each other: all came, each once, and none was refused."""
    beacons = measured.result.beacons
    assert len(beacons) == LOAD.rate * (LOAD.warm_up_seconds + LOAD.seconds)
    assert {beacon.status for beacon in beacons} == {204}
    assert measured.report.ids == {beacon.event_id for beacon in beacons}
    assert sum(call.events for call in measured.report.calls) == len(beacons)
