"""Which failed events are selected, and where each is stored.

Objects are read twice: first to find the last failure of each event, then to send
it. In between only ids and places are kept in memory, not the events.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from failed_events import EventKey, FailedEvent, parse
from objects import Damaged, Objects, lines, may_hold


@dataclass(frozen=True)
class Filter:
    """What a failed event must be; nothing stands for anything."""

    since: datetime | None = None
    until: datetime | None = None
    codes: frozenset[str] = frozenset()
    schemas: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()

    def takes(self, failed: FailedEvent) -> bool:
        return (
            (self.since is None or self.since <= failed.received_at)
            and (self.until is None or failed.received_at < self.until)
            and (not self.codes or failed.code in self.codes)
            and (not self.schemas or failed.schema in self.schemas)
            and (not self.tenants or failed.tenant in self.tenants)
        )


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """The place of a part of a failed event: the source, the object, the line, the place in it."""

    source: int
    name: str
    line: int
    index: int


@dataclass(slots=True)
class Failure:
    """The last failure of an event."""

    received_at: datetime
    failed_at: datetime
    code: str
    schema: str
    tenant: str
    is_meant: bool
    withheld: bool
    parts: int
    places: dict[int, Place] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there to be sent."""
        return not self.withheld and len(self.places) == self.parts


def find(
    sources: list[Objects],
    wanted: Filter,
    progress: Callable[[], object],
    complain: Callable[[Damaged], object],
) -> dict[EventKey, Failure]:
    """The last failure of each event that `wanted` takes."""
    found: dict[EventKey, Failure] = {}
    for place, failed in _read(sources, wanted.since, progress, complain):
        part, parts = failed.part
        known = found.get(failed.key)
        if known is None or known.failed_at < failed.failed_at:
            found[failed.key] = known = Failure(
                failed.received_at,
                failed.failed_at,
                failed.code,
                failed.schema,
                failed.tenant,
                wanted.takes(failed),
                failed.withheld,
                parts,
            )
        if known.failed_at == failed.failed_at:
            known.places.setdefault(part, place)
    return {key: failure for key, failure in found.items() if failure.is_meant}


def _read(
    sources: list[Objects],
    since: datetime | None,
    progress: Callable[[], object],
    complain: Callable[[Damaged], object],
) -> Iterator[tuple[Place, FailedEvent]]:
    for source, objects in enumerate(sources):
        for name in objects.names():
            if may_hold(name, since):
                for line, index, failed in _read_object(objects, name, complain):
                    yield Place(source, name, line, index), failed
            progress()


def _read_object(
    objects: Objects, name: str, complain: Callable[[Damaged], object]
) -> Iterator[tuple[int, int, FailedEvent]]:
    try:
        texts = lines(objects.read(name), name)
    except Damaged as damage:
        complain(damage)
        return
    for line, text in enumerate(texts):
        try:
            events = parse(text, _where(line, name))
        except Damaged as damage:
            complain(damage)
            continue
        for index, failed in enumerate(events):
            yield line, index, failed


def _where(line: int, name: str) -> str:
    return f"line {line + 1} of {name}"


def read_again(
    sources: list[Objects], failures: dict[EventKey, Failure]
) -> Iterator[tuple[FailedEvent, Failure, bytes]]:
    """Each of `failures` with its whole original, in the order of their objects."""
    places = sorted(
        (place, key)
        for key, failure in failures.items()
        for place in failure.places.values()
    )
    by_object: dict[tuple[int, str], list[tuple[Place, EventKey]]] = defaultdict(list)
    for place, key in places:
        by_object[place.source, place.name].append((place, key))
    pending: dict[EventKey, dict[int, bytes]] = defaultdict(dict)
    for (source, name), its in by_object.items():
        texts = lines(sources[source].read(name), name)
        line, events = -1, list[FailedEvent]()
        for place, key in its:
            if place.line != line:
                line, events = place.line, parse(texts[place.line], _where(line, name))
            failed = events[place.index]
            parts = pending[key]
            parts[failed.part[0]] = failed.original
            if len(parts) == failures[key].parts:
                del pending[key]
                whole = b"".join(parts[part] for part in sorted(parts))
                yield failed, failures[key], whole


def counts(failures: dict[EventKey, Failure]) -> Counter[tuple[str, str]]:
    """How many there are of each code and schema."""
    return Counter((each.code, each.schema or "-") for each in failures.values())
