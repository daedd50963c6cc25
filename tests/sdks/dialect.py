"""How each SDK reacts to each answer of its dialect that is no success, and a run that shows it.

The answers are the worker's own: a front passes those requests on to a worker whose stream is down, or whose
clients may send nothing, or makes them too large. Each run has a front of its own, so that runs share nothing.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sdks.capture_server import Captured
from sdks.drivers import STORY_SECONDS, Driver, Sdk
from sdks.front import Detour, Front, Passed
from support.waiting import wait_until
from support.worker import Worker

# More than a request of a protocol may have.
TOO_LARGE_BYTES = 1_048_577
# Of a client beyond the platform's rate limit; this machine is not counted.
LIMITED_CLIENT = {"cf-connecting-ip": "203.0.113.7"}


class Case(enum.Enum):
    """Why the worker does not take a request."""

    NOT_DURABLE = "not durable"
    RATE_LIMITED = "rate limited"
    TOO_LARGE = "too large"


class Reaction(enum.Enum):
    """What an SDK does then."""

    REPEATS = "repeats"
    """It sends the events again; none is lost."""
    SPLITS = "splits"
    """It sends the events again in smaller requests, until only the large one is dropped."""
    DROPS = "drops"
    """It drops the events of that request, and goes on with others."""


# The first request with events is not taken. For `TOO_LARGE` it is each that has the event of this step.
LARGE_STEP = "order"

# By protocol, in the order of the cases.
STATUSES = {
    protocol: dict(zip(Case, statuses, strict=True))
    for protocol, statuses in {
        "segment": (429, 429, 400),
        "snowplow": (503, 429, 400),
        "posthog": (503, 503, 413),
        "posthog-v1": (503, 429, 413),
        "cloudevents": (429, 429, 413),
        "otlp": (503, 429, 413),
        "plausible": (503, 202, 400),
        "umami": (503, 202, 400),
        "ga4": (503, 429, 413),
        "amplitude": (503, 429, 413),
    }.items()
}
R, S, D = Reaction.REPEATS, Reaction.SPLITS, Reaction.DROPS
# By SDK, in the order of the cases. None if the case cannot be: a GET has no body.
REACTIONS: dict[str, dict[Case, Reaction | None]] = {
    name: dict(zip(Case, reactions, strict=True))
    for name, reactions in {
        "segment-node": (R, R, D),
        "segment-python": (R, R, D),
        "segment-browser": (R, R, D),
        "rudderstack-node": (R, R, D),
        "rudderstack-python": (R, R, D),
        "rudderstack-browser": (R, R, D),
        "jitsu-node": (D, D, D),
        "jitsu-browser": (D, D, D),
        "snowplow-node": (R, R, D),
        "snowplow-node-get": (R, R, None),
        "snowplow-python": (R, R, D),
        "snowplow-python-get": (R, R, None),
        "snowplow-browser": (R, R, D),
        "posthog-node": (R, R, S),
        "posthog-node-v1": (R, R, D),
        "posthog-python": (R, R, D),
        "posthog-python-v1": (R, R, D),
        "posthog-browser": (R, R, D),
        "cloudevents-node": (D, D, D),
        "cloudevents-node-structured": (D, D, D),
        "cloudevents-python": (D, D, D),
        "cloudevents-python-structured": (D, D, D),
        "otlp-node": (R, R, D),
        "otlp-python": (R, R, D),
        "plausible-browser": (D, D, D),
        "umami-node": (D, D, D),
        "umami-python": (D, D, D),
        "ga4-browser": (D, D, D),
        "amplitude-node": (R, R, S),
        "amplitude-browser": (R, R, S),
    }.items()
}


def status(sdk: Sdk, case: Case) -> int:
    """What its dialect answers in a case."""
    version = "-v1" if sdk.name.endswith("-v1") else ""
    return STATUSES[sdk.protocol + version][case]


@dataclass(frozen=True)
class Workers:
    """The worker, and those that take no event."""

    taking: Worker
    down: Worker
    limited: Worker


@dataclass(frozen=True)
class Shown:
    """How a run ended."""

    driver: Driver
    refused: list[Passed]
    """The requests that were not taken."""
    lost: set[str]
    """The markers of the events that no other request had."""


def markers(captured: Captured, run: str) -> set[str]:
    """The markers of the events in a request."""
    # PostHog asks for flags with the traits of its user, and Plausible's own event has the props of its page.
    if captured.path.startswith("/flags") or '"n":"engagement"' in captured.text:
        return set()
    return set(re.findall(rf"{run}\.[a-z]+", _without_traits_of_the_user(captured)))


def _without_traits_of_the_user(captured: Captured) -> str:
    """What a request says, without the traits of an earlier identify, which RudderStack adds to each later event."""
    try:
        body = json.loads(captured.body)
    except ValueError:
        return captured.text
    for event in body.get("batch", [body]) if isinstance(body, dict) else []:
        if event.get("type") != "identify":
            event.get("context", {}).pop("traits", None)
    return replace(captured, body=json.dumps(body).encode()).text


def show(sdk: Sdk, case: Case, workers: Workers, key: str) -> Shown:
    """Runs an SDK through a case, until it has sent all that it will send."""
    reaction = REACTIONS[sdk.name][case]
    # Of a batch that is dropped no event is left to go on with.
    apart = case is Case.TOO_LARGE and reaction is Reaction.DROPS
    with Front(workers.taking) as front:
        driver = Driver(sdk, front.url, key, apart)
        front.detour = _detour(case, driver.run, workers)

        def refused() -> list[Passed]:
            return [each for each in list(front.passed) if each.detour]

        def dropped() -> set[str]:
            if case is Case.TOO_LARGE:
                return {f"{driver.run}.{LARGE_STEP}"}
            if reaction is Reaction.DROPS and refused():
                return markers(refused()[0].captured, driver.run)
            return set()

        with driver:
            driver.wait_for_story()
            if sdk.runtime == "browser":
                wait_until_taken(front, driver, dropped)
            driver.finish()
        front.wait_until_idle()
    return Shown(driver, refused(), not_taken(front, driver))


def _detour(
    case: Case, run: str, workers: Workers
) -> Callable[[Captured], Detour | None]:
    begun: list[Captured] = []

    def first(detour: Detour) -> Callable[[Captured], Detour | None]:
        def decide(captured: Captured) -> Detour | None:
            if begun or captured.method == "OPTIONS" or not markers(captured, run):
                return None
            begun.append(captured)
            return detour

        return decide

    def large(captured: Captured) -> Detour | None:
        is_large = captured.method == "POST" and f"{run}.{LARGE_STEP}" in markers(captured, run)
        return Detour(workers.taking, bytes=TOO_LARGE_BYTES) if is_large else None

    decisions: Mapping[Case, Callable[[Captured], Detour | None]] = {
        Case.NOT_DURABLE: first(Detour(workers.down)),
        Case.RATE_LIMITED: first(Detour(workers.limited, LIMITED_CLIENT)),
        Case.TOO_LARGE: large,
    }
    return decisions[case]


def not_taken(front: Front, driver: Driver) -> set[str]:
    """The markers of the events that the worker has not taken so far."""
    taken = {marker for each in list(front.passed) if each.is_taken for marker in markers(each.captured, driver.run)}
    return {each["marker"] for each in driver.events} - taken


def wait_until_taken(front: Front, driver: Driver, dropped: Callable[[], set[str]] = set) -> None:
    """Waits until the worker has taken each event of a story, except those with the markers `dropped`."""

    def missing() -> set[str]:
        return not_taken(front, driver) - dropped()

    def problem() -> str:
        answers = [(each.captured.path, each.response.status) for each in front.passed]
        return f"{missing()} were not taken: {answers}\n{driver.said}"

    wait_until(lambda: not missing(), STORY_SECONDS, problem)
