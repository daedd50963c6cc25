"""Writes headwater_events.py: TypedDicts of the events, for servers in Python 3.11 or later."""

from __future__ import annotations

import json
import keyword
import re

from events import Event, pascal, pointer_hint, unique
from shapes import NEVER, UNKNOWN, Array, Literal, Never, Object, Reference, Scalar, Shape, Tuple, Union, Unknown, union

HEAD = '''"""The events of the catalogue, as a server sends them. Made by scripts/types; edit the schemas, not this file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypeAlias, TypedDict
'''
OTHER = """# An event without a schema.
class OtherEvent(HeadwaterFields):
    name: str
    props: NotRequired[Mapping[str, object]]
"""
SCALARS = {"null": "None", "boolean": "bool", "integer": "int", "number": "float", "string": "str"}


class TypedDicts:
    file = "headwater_events.py"

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.taken = {"Literal", "Mapping", "NotRequired", "TypeAlias", "TypedDict", "HeadwaterEvent", "HeadwaterFields", "OtherEvent"}
        self.references: dict[str, str] = {}
        self.expanding: list[str] = []
        self.made: dict[tuple[str, Shape], str] = {}

    def write(self, events: list[Event], other: Event, *, accepts_unknown: bool) -> str:
        """Returns the file. `other` is an event without a schema."""
        names = {each.name: unique(pascal(each.name), self.taken) for each in events}
        beacons = {each.name: unique(f"{names[each.name]}Event", self.taken) for each in events}
        self.event = other
        self.fields = {each.name: each for each in other.beacon.members if each.name not in ("name", "props")}
        self.dictionary("HeadwaterFields", Object(tuple(self.fields.values())), "Fields of an event beside its name and props.", {})
        if accepts_unknown:
            self.parts.append(OTHER)
        for event in events:
            self.event, self.references = event, {}
            props = self.declared(event.props.shape, names[event.name], event.doc)
            self.beacon(event, beacons[event.name], props)
        every = [*beacons.values(), *(["OtherEvent"] if accepts_unknown else [])]
        options = "\n".join(f"    | {each}" for each in every).replace("| ", "", 1)
        self.parts.append(f'# Every event.\nHeadwaterEvent: TypeAlias = """(\n{options}\n)"""\n' if len(every) > 1 else f'HeadwaterEvent: TypeAlias = "{every[0]}"\n')
        return HEAD + "\n" + "\n".join(f"\n{each}" for each in self.parts)

    def beacon(self, event: Event, name: str, props: str) -> None:
        flat = event.reader.flat(event.beacon)
        assert flat
        doc = f"The event {event.name}."
        if all(flat.member(name) == field for name, field in self.fields.items()) and len(flat.members) == len(self.fields) + 2:
            own = Object(tuple(each for each in flat.members if each.name not in self.fields))
            self.dictionary(name, own, doc, {"props": props}, "HeadwaterFields")
        else:
            # A TypedDict cannot change a field of its base.
            self.dictionary(name, flat, doc, {"props": props})

    def declared(self, shape: Shape, name: str, doc: str) -> str:
        """Declares a type of this name, which is taken already, and returns it."""
        flat = self.event.reader.flat(shape)
        if flat and closed(flat):
            self.dictionary(name, flat, doc, {})
        else:
            kind = self.type(shape, f"{name}Value")
            self.parts.append(f'{comment(doc, "")}{name}: TypeAlias = "{quoted(kind)}"\n')
        return name

    def dictionary(self, name: str, flat: Object, doc: str, given: dict[str, str], base: str = "TypedDict") -> None:
        members = [each for each in flat.members if each.shape != NEVER]
        types = {}
        for each in members:
            kind = given.get(each.name) or self.type(each.shape, name.removesuffix("Event") + pascal(each.name))
            types[each.name] = kind if each.required else f"NotRequired[{kind}]"
        if all(is_identifier(each) for each in types):
            lines = [f"{comment(each.doc, '    ')}    {each.name}: {types[each.name]}" for each in members]
            self.parts.append(f"{comment(doc, '')}class {name}({base}):\n" + "\n".join(lines) + "\n")
        else:
            lines = [f'{comment(each.doc, "    ")}    {text(each.name)}: "{quoted(types[each.name])}",' for each in members]
            self.parts.append(f"{comment(doc, '')}{name} = TypedDict(\n    {text(name)},\n    {{\n" + "\n".join("    " + line.replace("\n", "\n    ") for line in lines) + "\n    },\n)\n")  # fmt: skip

    def type(self, shape: Shape, hint: str) -> str:
        match shape:
            case Unknown():
                return "object"
            case Never():
                return "object"
            case Scalar(kind):
                return SCALARS[kind]
            case Literal():
                # Python has no literal type of a float.
                return "float" if shape.kind == "number" else f"Literal[{text(shape.value)}]"
            case Array(item):
                return f"list[{self.type(item, f'{hint}Item')}]"
            case Tuple(prefix, _, rest):
                return f"list[{self.type(union([*prefix, rest]), f'{hint}Item')}]"
            case Union(options):
                literals = [each for each in options if isinstance(each, Literal) and each.kind != "number"]
                others = dict.fromkeys(self.type(each, hint) for each in options if each not in literals)
                if "object" in others:
                    return "object"
                all_literals = [f"Literal[{', '.join(text(each.value) for each in literals)}]"] if literals else []
                return " | ".join([*all_literals, *others])
            case Reference(pointer):
                return self.reference(shape, pointer, hint)
            case Object():
                flat = self.event.reader.flat(shape)
                if not flat or not closed(flat):
                    extra = flat.extra if flat and not flat.members else None
                    return f"Mapping[str, {self.type(extra or UNKNOWN, f'{hint}Value')}]"
                if (hint, shape) not in self.made:
                    self.made[hint, shape] = unique(hint, self.taken)
                    self.dictionary(self.made[hint, shape], flat, "", {})
                return self.made[hint, shape]

    def reference(self, shape: Reference, pointer: str, hint: str) -> str:
        if pointer in self.references:
            return self.references[pointer]
        found = self.event.reader.expand(shape)
        flat = self.event.reader.flat(found)
        if flat and closed(flat):
            self.references[pointer] = unique(pascal(self.event.name) + pointer_hint(pointer), self.taken)
            self.dictionary(self.references[pointer], flat, "", {})
            return self.references[pointer]
        # A shape that is no dictionary is written in its place. One that holds itself ends as any value.
        if pointer in self.expanding:
            return "object"
        self.expanding.append(pointer)
        kind = self.type(found, hint)
        self.expanding.pop()
        return kind


def closed(flat: Object) -> bool:
    """Whether a TypedDict can express it, which knows its members' names; without one a Mapping is shorter."""
    return any(each.shape != NEVER for each in flat.members) and flat.extra in (None, NEVER)


def is_identifier(name: str) -> bool:
    return bool(re.fullmatch(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", name)) and not keyword.iskeyword(name)


def text(value: object) -> str:
    """Returns a value as Python writes it, with double quotes."""
    if not isinstance(value, str):
        return repr(value)
    # As JSON, but for what is not in the basic plane.
    return re.sub(r"(?:\\u[0-9a-f]{4})+", lambda found: "".join(f"\\U{ord(each):08x}" for each in json.loads(f'"{found[0]}"')), json.dumps(value))


def quoted(kind: str) -> str:
    return kind.replace("\\", "\\\\").replace('"', '\\"')


def comment(doc: str, pad: str) -> str:
    return f"{pad}# {doc}\n" if doc else ""
