"""Few calls from many beacons, in short: the counts of the measurement, not its times."""

from dataclasses import replace

import pytest

from bench.beacon_load import Load
from bench.coalescing import Measured, Mode, measure
from bench.counting_firehose import Report

# Enough to make the memory of Wasm grow while calls are under way.
LOAD = Load(rate=800, warm_up_seconds=1, seconds=3, grace_seconds=120)
# A machine that is slow must not be taken for a Firehose that is.
SETTINGS = {"delivery_timeout_ms": 30_000}


@pytest.fixture(scope="module")
def direct() -> Measured:
    """The load without a shard."""
    return measure(Mode(0), LOAD, SETTINGS)


def test_without_a_shard_a_call_has_the_beacons_of_few_requests(direct: Measured) -> None:
    assert direct.mistakes() == []
    assert len(direct.report.calls) <= len(direct.result.beacons)
    check_counts(direct)


@pytest.mark.parametrize("mode", [Mode(1), Mode(4)], ids=lambda mode: mode.name)
def test_shards_make_few_calls_of_many_beacons(mode: Mode) -> None:
    measured = measure(mode, LOAD, SETTINGS)
    assert measured.mistakes() == []
    assert len(measured.report.calls) < len(measured.result.beacons) / 4
    check_counts(measured)


def test_too_many_calls_and_a_loss_are_mistakes(direct: Measured) -> None:
    in_time = [
        replace(call, arrived=direct.result.since) for call in direct.report.calls
    ]
    report = Report(in_time, direct.report.ids)
    too_many = replace(direct, mode=Mode(1), report=report)
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
