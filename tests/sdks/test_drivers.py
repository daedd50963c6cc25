"""The drivers alone: what each SDK sends is what its driver reports, and the SDK complains of nothing."""

from __future__ import annotations

import pytest

from sdks.capture_server import CaptureServer
from sdks.drivers import EACH_SDK, Driver, Sdk
from support.waiting import wait_until

STEPS = {"page", "order", "identify", "second"}
# What a page has it sends within some seconds, each SDK after a pause of its own.
SEND_SECONDS = 60


@pytest.mark.parametrize("sdk", EACH_SDK)
def test_a_driver_sends_each_event_that_it_reports(sdk: Sdk) -> None:
    with CaptureServer() as server, Driver(sdk, server.url, "pk_sdks") as driver:
        driver.wait_for_story()
        steps = [each["step"] for each in driver.events]
        assert {"order", "second"} <= set(steps) <= STEPS and len(steps) == len(set(steps))
        wait_until(
            lambda: all(server.saw(each["marker"]) for each in driver.events),
            SEND_SECONDS,
            lambda: f"{[(each.method, each.path) for each in server.requests]}\n{driver.said}",
        )
        driver.finish()
    assert driver.report["errors"] == []
