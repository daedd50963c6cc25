"""What each SDK does if the worker does not take its events: not durable, over the rate limit, too large."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from local_aws import LocalAws
from sdks.capture_server import Captured
from sdks.dialect import LARGE_STEP, REACTIONS, Case, Reaction, Shown, Workers, markers, show, status
from sdks.drivers import SDKS, STORY_SECONDS, Sdk
from sdks.settings import KEY, SETTINGS
from sdks.stories import Records, assert_is_each_once, wait_until_arrived
from support.fake_firehose import Fail, FakeFirehose
from support.worker import PATIENT, Worker
from support.worker_with_bindings import WorkerWithBindings

# Most of the time a run waits.
AT_ONCE = 12

EACH_CASE = [
    sdk.mark(case, name=f"-{case.name.lower()}")
    for case in Case
    for sdk in SDKS
    if REACTIONS[sdk.name][case]
]
Runs = dict[tuple[str, Case], "Future[Shown]"]


class LimitedWorker(WorkerWithBindings):
    """A worker whose clients have all sent too much."""

    bindings = "RATE_LIMIT: { limit: (asked) => env.RATE_LIMIT.limit({ ...asked, limit: 0 }) }"


@pytest.fixture(scope="module")
def workers(aws: LocalAws) -> Iterator[Workers]:
    direct = {**SETTINGS, "delivery": "direct"}
    with FakeFirehose() as peer:
        peer.always(Fail(503, "ServiceUnavailableException", "Slow down."))
        with (
            # An SDK that repeats nothing must not lose more than what is refused on purpose.
            Worker(aws.environment(), {**SETTINGS, **PATIENT}) as taking,
            Worker(peer.environment(), direct) as down,
            LimitedWorker(peer.environment(), direct) as limited,
        ):
            yield Workers(taking, down, limited)


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, workers: Workers) -> Iterator[Runs]:
    """The runs of all tests that are selected, begun at once: each waits for seconds or a minute."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    # Tests of other files have parameters of these names, too.
    params = [each.params for each in calls if each and {"sdk", "case"} <= each.params.keys()]
    cases = [(each["sdk"], each["case"]) for each in params]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {
            (sdk.name, case): pool.submit(show, sdk, case, workers, KEY)
            for sdk, case in cases
            if sdk.is_runnable
        }
        yield runs
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("sdk", "case"), EACH_CASE)
def test_an_sdk_does_what_its_dialect_asks(
    sdk: Sdk, case: Case, runs: Runs, data: Records, failed: Records
) -> None:
    shown, reaction = runs[sdk.name, case].result(len(runs) * STORY_SECONDS), REACTIONS[sdk.name][case]
    driver, refused = shown.driver, shown.refused

    assert {each.response.status for each in refused} == {status(sdk, case)}, driver.said
    if reaction is Reaction.REPEATS:
        assert shown.lost == set(), driver.said
        assert refused[0].retry_after
    elif case is Case.TOO_LARGE:
        assert shown.lost == {f"{driver.run}.{LARGE_STEP}"}, driver.said
        assert len(refused) == 1 or reaction is Reaction.SPLITS
    else:
        assert shown.lost == markers(refused[0].captured, driver.run), driver.said
        assert len(shown.lost) < len(driver.events)
    wait_until_arrived(data, driver, shown.lost)
    assert_is_each_once(data, driver, shown.lost)
    assert failed.of(driver.run) == []


def test_the_reaction_of_each_sdk_is_known() -> None:
    assert set(REACTIONS) == {sdk.name for sdk in SDKS}


def test_the_traits_of_a_user_are_no_event_of_their_own() -> None:
    identify = {"type": "identify", "context": {"traits": {"marker": "run.identify"}}}
    later = {"type": "track", "properties": {"marker": "run.second"}, "context": identify["context"]}

    assert of({"batch": [identify, later]}) == {"run.identify", "run.second"}
    assert of(identify) == {"run.identify"}
    assert of(later) == {"run.second"}


def of(body: dict[str, Any]) -> set[str]:
    raw = json.dumps(body).encode()
    return markers(Captured("POST", "/v1/batch", "", {}, raw, raw), "run")
