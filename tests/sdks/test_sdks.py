"""Other collectors' SDKs, unchanged and with default options, against the built worker and the local AWS."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from faults.fault_plans import AnswerLate, healthy, refuse_records
from faults.firehose_proxy import FirehoseProxy
from faults.storm import mixed
from sdks.dialect import wait_until_taken
from sdks.drivers import EACH_SDK, SDKS, STORY_SECONDS, Driver, Sdk, runnable
from sdks.front import Front
from sdks.sdk_table import Row
from sdks.settings import KEY, PROTOCOLS, endpoint
from sdks.stories import (
    Records,
    assert_has_what_was_sent,
    assert_is_each_once,
    wait_until_arrived,
)
from support.faults import Accept, Behaviour, Fail
from support.shards import spills, wait_until_drained
from support.waiting import wait_until
from support.worker import Worker

UNKNOWN_KEY = "pk_unknown"
OUTAGE_SECONDS = 60
# How often each SDK's story is sent in the meantime, and how many at once.
ROUNDS = 2
AT_ONCE = 8


def refusing(chance: random.Random, records: int) -> Behaviour:
    """A stream that takes nothing, and says so at once."""
    return Fail(503, "ServiceUnavailableException", "Slow down.")


def faulty(chance: random.Random, records: int) -> Behaviour | AnswerLate:
    """A stream of which one call in ten fails, one is throttled and one is cut; of the others it refuses 30 % of the records."""
    behaviour = mixed(chance, records)
    return refuse_records(0.3)(chance, records) if isinstance(behaviour, Accept) else behaviour


@pytest.mark.parametrize("sdk", EACH_SDK)
def test_each_event_is_in_s3_once(
    sdk: Sdk, worker: Worker, data: Records, failed: Records, table: list[Row]
) -> None:
    with Driver(sdk, endpoint(worker), KEY) as driver:
        driver.wait_for_story()
        assert failed.of(driver.run) == [], driver.said
        wait_until_arrived(data, driver)
        driver.finish()
    wait_until_drained(worker)

    found = assert_is_each_once(data, driver)
    for event in driver.events:
        record = found[event["step"]]
        assert_has_what_was_sent(event, record, sdk.protocol)
        assert record["tenant"] == "shop"
    assert failed.of(driver.run) == []
    assert driver.report["errors"] == []
    assert {status for status in driver.statuses if status >= 400} <= {404}
    table.append(Row(sdk, driver.report, len(found)))


@pytest.mark.parametrize("sdk", EACH_SDK)
def test_an_sdk_sees_neither_an_outage_nor_faults_of_the_stream(
    sdk: Sdk, worker: Worker, proxy: FirehoseProxy, data: Records, failed: Records
) -> None:
    proxy.plan = refusing
    try:
        with Driver(sdk, endpoint(worker), KEY) as driver:
            driver.wait_for_story()
            events = len(driver.events)
            spilled = wait_until(
                lambda: sum(each["records"] for each in spills(worker).values()) >= events,
                STORY_SECONDS,
                lambda: f"{spills(worker)}\n{driver.said}",
            )
            assert spilled and data.of(driver.run) == []
            proxy.plan = faulty
            wait_until_arrived(data, driver)
            driver.finish()
    finally:
        proxy.plan = healthy
        wait_until_drained(worker)

    assert_is_each_once(data, driver, untold=lambda event_id: proxy.passages(event_id).untold)
    assert failed.of(driver.run) == []
    assert driver.report["errors"] == []
    assert {status for status in driver.statuses if status >= 400} <= {404}


@pytest.mark.parametrize("sdk", EACH_SDK)
def test_an_unknown_key_is_refused_once(
    sdk: Sdk, worker: Worker, data: Records, failed: Records
) -> None:
    with Driver(sdk, endpoint(worker), UNKNOWN_KEY) as driver:
        driver.wait_for_story()
        if sdk.runtime == "browser":
            # Amplitude's own status is 400.
            refused = lambda: {400, 401} & set(driver.statuses)  # noqa: E731
            wait_until(refused, STORY_SECONDS, lambda: driver.said)
        else:
            # It has ended, so it does not send them again.
            assert driver.report["errors"], driver.said
        driver.finish()
    wait_until_drained(worker)
    assert data.of(driver.run) == []
    assert failed.of(driver.run) == []


def test_no_sdk_sees_an_outage_of_a_minute(
    worker: Worker, proxy: FirehoseProxy, data: Records, failed: Records
) -> None:
    def send(sdk: Sdk) -> tuple[Driver, Front]:
        with Front(worker) as front, Driver(sdk, front.url, KEY) as driver:
            driver.wait_for_story()
            wait_until_taken(front, driver)
            driver.finish()
        return driver, front

    proxy.plan = faulty
    proxy.stop()
    begun = time.monotonic()
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sent = list(pool.map(send, [sdk for _ in range(ROUNDS) for sdk in runnable()]))
        time.sleep(max(0.0, begun + OUTAGE_SECONDS - time.monotonic()))
        assert not any(data.of(driver.run) for driver, _ in sent)
    finally:
        proxy.start()
    try:
        for driver, _ in sent:
            wait_until_arrived(data, driver)
    finally:
        proxy.plan = healthy
        wait_until_drained(worker)

    for driver, front in sent:
        assert_is_each_once(data, driver, untold=lambda event_id: proxy.passages(event_id).untold)
        assert failed.of(driver.run) == []
        assert driver.report["errors"] == []
        assert {each.response.status for each in front.passed if each.response.status >= 400} <= {404}


def test_an_sdk_of_each_protocol_is_run() -> None:
    assert {sdk.protocol for sdk in SDKS} == set(PROTOCOLS)
