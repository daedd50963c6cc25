"""The ways in which the stand-in for Firehose and Kinesis may answer a call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Union


class Effect(Enum):
    """Whether the records were stored before the answer went wrong."""

    NONE = "none"
    DONE = "done"


# A predicate sees one event of a record: the JSON of one of its lines.
Predicate = Callable[[Any], bool]


@dataclass(frozen=True)
class Accept:
    """Stores every record."""


@dataclass(frozen=True)
class Refuse:
    """Refuses some records, by index or by event, and stores the others."""

    which: Collection[int] | Predicate
    code: str = "ServiceUnavailableException"
    message: str = "Slow down."


@dataclass(frozen=True)
class Fail:
    """Fails the whole call; nothing is stored."""

    status: int
    type: str
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotJson:
    """Answers 200 with something that isn't JSON."""

    effect: Effect = Effect.NONE
    body: bytes = b"<html>It works!</html>"


@dataclass(frozen=True)
class WrongLength:
    """Answers 200 with more or fewer entries than there were records."""

    by: int = -1
    effect: Effect = Effect.NONE


@dataclass(frozen=True)
class Hang:
    """Stays silent for a while, and then behaves."""

    seconds: float
    then: Behaviour = Accept()


@dataclass(frozen=True)
class Hold:
    """Stays silent until this is set, and then takes the records."""

    until: threading.Event


@dataclass(frozen=True)
class Cut:
    """Closes the connection without an answer."""

    effect: Effect


Behaviour = Union[Accept, Refuse, Fail, NotJson, WrongLength, Hang, Hold, Cut]
