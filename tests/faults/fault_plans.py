"""How a Firehose fails: each plan says, for each call, how the next one goes.

Chance is an argument, so that a plan does the same again from the same seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from support.faults import (
    Accept,
    Behaviour,
    Cut,
    Effect,
    Fail,
    Hang,
    NotJson,
    Refuse,
    WrongLength,
)

# Longer than any caller waits: 2 s in a request, 10 s out of the spill.
HANG_SECONDS = 12


@dataclass(frozen=True)
class AnswerLate:
    """Stores every record at once, and answers when the caller has gone."""

    seconds: float


# Sees the number of records of the call.
Plan = Callable[[random.Random, int], Union[Behaviour, AnswerLate]]


def healthy(chance: random.Random, records: int) -> Behaviour:
    """Takes all."""
    return Accept()


def refuse_records(share: float) -> Plan:
    """Refuses each record with this probability, as a stream over its quota does."""

    def plan(chance: random.Random, records: int) -> Behaviour:
        refused = {index for index in range(records) if chance.random() < share}
        if not refused:
            return Accept()
        if chance.random() < 0.2:
            return Refuse(refused, "InternalFailure", "Internal service failure.")
        return Refuse(refused)

    return plan


def fail_calls(share: float) -> Plan:
    """Fails whole calls: broken, unavailable, or throttled in each of its spellings."""
    faults = [
        Fail(500, "InternalFailure"),
        Fail(503, "ServiceUnavailableException", "Slow down."),
        Fail(400, "ThrottlingException", "Rate exceeded"),
        Fail(429, "ThrottlingException", "Rate exceeded"),
        Fail(400, "LimitExceededException"),
    ]
    return sometimes(share, *faults)


def hang(share: float) -> Plan:
    """Stays silent for longer than a caller waits; some calls have an effect, early or late."""
    return sometimes(
        share,
        Hang(HANG_SECONDS, Cut(Effect.NONE)),
        Hang(HANG_SECONDS, Accept()),
        AnswerLate(HANG_SECONDS),
    )


def cut(share: float) -> Plan:
    """Cuts connections, before the effect and after it."""
    return sometimes(share, Cut(Effect.NONE), Cut(Effect.DONE))


def garble(share: float) -> Plan:
    """Answers what can't be understood, before the effect and after it."""
    faults = [
        fault
        for effect in Effect
        for fault in (
            NotJson(effect),
            NotJson(effect, b""),
            WrongLength(-1, effect),
            WrongLength(1, effect),
        )
    ]
    return sometimes(share, *faults)


def expired(chance: random.Random, records: int) -> Behaviour:
    """Takes the credentials for expired."""
    return Fail(
        400,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )


def all_of_it(chance: random.Random, records: int) -> Behaviour | AnswerLate:
    """Fails half of the calls in any of these ways."""
    plans = [refuse_records(0.3), fail_calls(1), cut(1), garble(1), hang(0.2)]
    if chance.random() < 0.5:
        return Accept()
    return chance.choice(plans)(chance, records)


def sometimes(share: float, *faults: Behaviour | AnswerLate) -> Plan:
    """One of these faults with this probability; else it takes all."""

    def plan(chance: random.Random, records: int) -> Behaviour | AnswerLate:
        return chance.choice(faults) if chance.random() < share else Accept()

    return plan
