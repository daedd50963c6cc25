"""The events of a catalogue, as the generators take them: one shape of the whole beacon, and one of its props."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapes import NEVER, Literal, Member, Object, Reader, Scalar, SchemaError, Shape, Union, documentation

NAME = re.compile(r"[a-z][a-z0-9_.]{0,63}")


def _one_of(*texts: str) -> Shape:
    return Union(tuple(Literal(json.dumps(each)) for each in texts))


TEXT = Scalar("string")
# The fields of a beacon, as www/docs/event-fields.md has them; tests/types compares the two.
FIELDS: dict[str, tuple[Shape, str]] = {
    "id": (TEXT, "A UUID that a retry keeps; made on receipt if absent."),
    "device_id": (TEXT, "Names the browser or the app's installation."),
    "time": (Union((TEXT, Scalar("number"))), "The client's clock: RFC 3339, or milliseconds since the epoch."),
    "seq": (Scalar("integer"), "The event's number on its device."),
    "level": (_one_of("low", "mid", "high"), "Replaces the level of the schema."),
    "session_id": (TEXT, "The client's own view of the session."),
    "user_id": (TEXT, "The site's own id for the user."),
    "build": (TEXT, "The version of the site or app."),
    "language": (TEXT, "Such as de-CH."),
    "title": (TEXT, "The page's title."),
    "url": (TEXT, "The page's address."),
    "referrer": (TEXT, "The address of the page before."),
    "screen": (TEXT, "WIDTHxHEIGHT in pixels."),
    "viewport": (TEXT, "WIDTHxHEIGHT in pixels."),
    "consent": (_one_of("granted", "denied"), "What the person allowed."),
    "user_hash": (TEXT, "Proves user_id."),
    "source_name": (TEXT, "The name in the system that the event comes from."),
    "source_event_id": (TEXT, "The id in the system that the event comes from."),
    "metadata": (Object(), "Annotations of your own."),
    "ip": (TEXT, "The visitor's address; needs a server key."),
    "user_agent": (TEXT, "The visitor's User-Agent; needs a server key."),
    "timezone": (TEXT, "The visitor's time zone; needs a server key."),
    "historical": (Scalar("boolean"), "Whether the event is of an archive; needs a server key."),
    "user_verified": (Scalar("boolean"), "Whether your server has verified the user; needs a server key."),
}


@dataclass(frozen=True)
class Event:
    name: str
    doc: str
    version: str
    reader: Reader
    # The whole beacon, and its props alone.
    beacon: Object
    props: Member

    @property
    def metadata(self) -> Member:
        return self.member("metadata")

    def member(self, name: str) -> Member:
        """Returns a field of the beacon, which every event has."""
        flat = self.reader.flat(self.beacon)
        member = flat.member(name) if flat else None
        assert member
        return member


def load(folder: Path) -> list[Event]:
    """Reads the schemas of a folder, sorted by name."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise SchemaError(f"{folder} has no schema")
    return [_load(file) for file in files]


def _load(file: Path) -> Event:
    name = file.name.removesuffix(".json")
    if not NAME.fullmatch(name):
        raise SchemaError(f"{file}: the file name must be [a-z][a-z0-9_.]{{0,63}} and .json")
    try:
        schema: Any = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(schema, dict):
            raise SchemaError("must be an object")
        return event(name, schema)
    except (SchemaError, ValueError) as error:
        raise SchemaError(f"{file}: {error}") from None


def event(name: str, schema: dict[str, Any]) -> Event:
    """Returns the event that a schema describes."""
    reader = Reader(schema)
    own = [Member("name", Literal(json.dumps(name)), True, "The event."), Member("props", Object())]
    fields = [Member(field, shape, False, doc) for field, (shape, doc) in FIELDS.items()]
    # What the schema says of a field comes first, its documentation too.
    beacon = reader.meet(reader.read({**schema, "type": "object"}), Object((*own, *fields), NEVER))
    flat = reader.flat(beacon)
    props = flat.member("props") if flat else None
    if not isinstance(beacon, Object) or not props or NEVER in (props.shape, beacon):
        raise SchemaError("accepts no beacon")
    order = {each.name: index for index, each in enumerate((*own, *fields))}
    members = sorted((each for each in beacon.members if each.shape != NEVER or each.name in order), key=lambda each: order.get(each.name, len(order)))
    doc = documentation({"description": schema.get("description", name)})
    return Event(name, doc, str(schema.get("x-version", "")), reader, Object(tuple(members), NEVER, beacon.needs), props)


def words(name: str) -> list[str]:
    """Returns the words of a name: at each change to a capital letter, and between other signs."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)


def pascal(name: str) -> str:
    joined = "".join(each[0].upper() + each[1:] for each in words(name))
    return joined if re.match("[A-Za-z]", joined) else f"N{joined}"


def camel(name: str) -> str:
    first, *others = words(name) or ["value"]
    joined = first.lower() + "".join(each[0].upper() + each[1:].lower() for each in others)
    return joined if re.match("[A-Za-z]", joined) else f"n{joined}"


def unique(name: str, taken: set[str]) -> str:
    """Returns the name, or with a number if it is taken, and takes it."""
    number, found = 2, name
    while found in taken:
        found, number = f"{name}{number}", number + 1
    taken.add(found)
    return found


def options_of(shape: Shape) -> tuple[tuple[Shape, ...], bool]:
    """Returns the options of a shape without null, and whether null is one."""
    options = shape.options if isinstance(shape, Union) else (shape,)
    others = tuple(each for each in options if each != Scalar("null"))
    return others, len(others) < len(options)


def kind_in_common(options: tuple[Shape, ...]) -> str | None:
    """Returns the type that all options have, if they are texts, numbers or booleans."""
    kinds = {each.kind if isinstance(each, Scalar | Literal) else "" for each in options}
    if kinds and kinds <= {"integer", "number"}:
        return "number" if "number" in kinds else "integer"
    return kinds.pop() if len(kinds) == 1 and kinds != {""} else None


def pointer_hint(pointer: str) -> str:
    """Returns what distinguishes a subschema by its pointer: its name, or the way to it."""
    steps = [each for each in pointer.split("/")[1:] if each not in ("properties", "$defs", "items")]
    return "".join(map(pascal, steps[-1:] if "/$defs/" in pointer else steps)) or "Root"
