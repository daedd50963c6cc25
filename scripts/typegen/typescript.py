"""Writes events.d.ts: what a page or a server may send, and calls of `headwater` narrowed by the event's name."""

from __future__ import annotations

import json
import re

from events import Event, pascal, pointer_hint, unique
from shapes import NEVER, UNKNOWN, Array, Literal, Member, Never, Object, Reference, Scalar, Shape, Tuple, Union, Unknown

HEAD = """// The events of the catalogue. Made by scripts/types; edit the schemas, not this file.
//
// It narrows headwater("track", name, props) by the name. A page with the tag needs nothing else; with the npm package, the
// function that `start` returns is narrowed too.

"""
OTHER = """/** An event without a schema. */
export interface HeadwaterOtherEvent extends HeadwaterFields {
  name: string;
  props?: object;
}
"""
GLOBALS = """
/** Every event, as a server sends it to /v1/events. */
export type HeadwaterEvent =
{union};

/** The function of a page. Calls before the script is loaded wait for it. */
export interface HeadwaterCall {{
  /** Names the user, for this event and later ones. */
  (command: "identify", userId: string, traits?: {identify}): void;
  /** Counts a page view. */
  (command: "page", props?: {page}): void;
  /** Remembers what the person decided; `denied` erases what is stored. */
  (command: "consent", decision: "granted" | "denied"): void;
  /** Sends an event. It is the last overload, because a compiler explains only the last one. */
  <Name extends HeadwaterName>(command: "track", name: Name, ...values: HeadwaterArguments<Name>): void;
}}

/** The names that `track` takes{names_doc}. */
export type HeadwaterName = {names};

/** What `track` takes after a name. */
export type HeadwaterArguments<Name extends string> = Name extends keyof HeadwaterEvents
  ? HeadwaterEvents[Name]
  : [props?: object, fields?: HeadwaterFields];

declare global {{
  /** What `track` takes after each name. */
  interface HeadwaterEvents {{
{entries}
  }}
  /** Has a member if the worker rejects events without a schema: `unknown_events = "fail"`. */
  interface HeadwaterUnknownEvents {{{marker}}}
  var headwater: HeadwaterCall;
}}
"""


class TypeScript:
    file = "events.d.ts"

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.taken = {"HeadwaterEvent", "HeadwaterFields", "HeadwaterCall", "HeadwaterName", "HeadwaterArguments", "HeadwaterEvents", "HeadwaterUnknownEvents", "HeadwaterOtherEvent", "Omit"}  # fmt: skip
        self.references: dict[str, str] = {}
        self.made: dict[tuple[str, Shape], str] = {}

    def write(self, events: list[Event], other: Event, *, accepts_unknown: bool) -> str:
        """Returns the file. `other` is an event without a schema."""
        self.fields = other.beacon
        self.event = other
        fields = Object(tuple(each for each in other.beacon.members if each.name not in ("name", "props")))
        self.parts.append(f"/** Fields of an event beside its name and props. A page sends most of them on its own. */\nexport interface HeadwaterFields {self.body(fields, 'HeadwaterFields')}\n")
        if accepts_unknown:
            self.parts.append(OTHER)
        entries, beacons, props_of = [], [], {}
        names = {each.name: unique(pascal(each.name), self.taken) for each in events}
        beacon_names = {each.name: unique(f"{names[each.name]}Event", self.taken) for each in events}
        for event in events:
            name, self.event, self.references = names[event.name], event, {}
            props = self.named(event.props.shape, name, event.doc)
            props_of[event.name] = props
            metadata = event.metadata
            fields = "HeadwaterFields"
            if metadata.shape != Object():
                metadata_type = self.type(metadata.shape, f"{name}Metadata")
                fields += f" & {{ metadata{'' if metadata.required else '?'}: {metadata_type} }}"
            must = metadata.required
            entry = f"props{'' if event.props.required or must else '?'}: {props}, fields{'' if must else '?'}: {fields}"
            entries.append(f"{comment(f'{event.doc} Version {event.version}.', 4)}    {key(event.name)}: [{entry}];")
            beacons.append(beacon_names[event.name])
            self.beacon(event, beacon_names[event.name], props)
        names_text = "keyof HeadwaterEvents" + (" | (string & {})" if accepts_unknown else "")
        union = "\n".join(f"  | {each}" for each in [*beacons, *(["HeadwaterOtherEvent"] if accepts_unknown else [])])
        return (
            HEAD
            + "\n".join(self.parts)
            + GLOBALS.format(
                union=union,
                identify=props_of.get("identify", "object"),
                page=props_of.get("page_view", "object"),
                names_doc=": those of the catalogue, and any other" if accepts_unknown else "",
                names=names_text,
                entries="\n".join(entries),
                marker="" if accepts_unknown else "\n    fail: true;\n  ",
            )
        )

    def beacon(self, event: Event, name: str, props: str) -> None:
        changed = tuple(each for each in event.beacon.members if self.is_own(each))
        text = self.body(Object(changed, None, event.beacon.needs), name, {"props": props})
        doc = comment(f"The event {event.name}.", 0)
        if event.beacon.needs:
            self.parts.append(f"{doc}export type {name} = HeadwaterFields & {text};\n")
        else:
            self.parts.append(f"{doc}export interface {name} extends HeadwaterFields {text}\n")

    def is_own(self, member: Member) -> bool:
        """Whether the schema of the event says more of the field than HeadwaterFields."""
        common = self.fields.member(member.name)
        return member.name in ("name", "props") or member != common or member.doc != common.doc

    def named(self, shape: Shape, name: str, doc: str) -> str:
        """Declares a type of this name, which is taken already, and returns it."""
        if isinstance(shape, Object) and shape.members and not shape.needs:
            self.parts.append(f"{comment(doc, 0)}export interface {name} {self.body(shape, name)}\n")
        else:
            text = self.body(shape, name) if isinstance(shape, Object) and shape.members else self.type(shape, f"{name}Value")
            self.parts.append(f"{comment(doc, 0)}export type {name} = {text};\n")
        return name

    def type(self, shape: Shape, hint: str) -> str:
        match shape:
            case Unknown():
                return "unknown"
            case Never():
                return "never"
            case Scalar(kind):
                return "number" if kind == "integer" else kind
            case Literal(text):
                return text
            case Array(item):
                return f"readonly {wrapped(self.type(item, f'{hint}Item'))}[]"
            case Tuple(prefix, least, rest):
                items = [
                    wrapped(self.type(each, f"{hint}{index + 1}")) + ("" if index < least else "?") for index, each in enumerate(prefix)
                ]
                if rest != NEVER:
                    items.append(f"...{wrapped(self.type(rest, f'{hint}Item'))}[]")
                return f"readonly [{', '.join(items)}]"
            case Union(options):
                return " | ".join(dict.fromkeys(wrapped(self.type(each, hint)) for each in options))
            case Reference(pointer):
                if pointer not in self.references:
                    name = unique(pascal(self.event.name) + pointer_hint(pointer), self.taken)
                    self.references[pointer] = name
                    self.named(self.event.reader.expand(shape), name, "")
                return self.references[pointer]
            case Object(members, extra, needs):
                if not members and needs:
                    return self.body(shape, hint)
                if not members:
                    return "object" if extra in (None, UNKNOWN) else f"{{ [name: string]: {self.type(extra, f'{hint}Value')} }}"
                if (hint, shape) not in self.made:
                    self.made[hint, shape] = unique(hint, self.taken)
                    self.named(shape, self.made[hint, shape], "")
                return self.made[hint, shape]

    def body(self, shape: Object, hint: str, given: dict[str, str] | None = None) -> str:
        """Returns the members of an object between braces, and what it needs beside them."""
        lines = []
        for member in shape.members:
            kind = (given or {}).get(member.name) or self.type(member.shape, hint + pascal(member.name))
            lines.append(f"{comment(member.doc, 2)}  {key(member.name)}{'' if member.required else '?'}: {kind};")
        if shape.extra not in (None, NEVER):
            lines.append(f"  [name: string]: {self.extra(shape, hint)};")
        text = "{\n" + "\n".join(lines) + "\n}" if lines else "object"
        for need in shape.needs:
            text += " & (" + "".join(f"\n  | {self.alternative(each, hint)}" for each in need) + "\n)"
        return text

    def extra(self, shape: Object, hint: str) -> str:
        """Returns the type of members without a name, which has to cover those with one."""
        return "unknown" if shape.members or not shape.extra else self.type(shape.extra, f"{hint}Value")

    def alternative(self, shape: Shape, hint: str) -> str:
        """Returns an object on one line."""
        if not isinstance(shape, Object):
            return self.type(shape, hint)
        parts = [f"{key(each.name)}{'' if each.required else '?'}: {self.type(each.shape, hint + pascal(each.name))}" for each in shape.members]
        if shape.extra not in (None, NEVER):
            parts.append(f"[name: string]: {self.extra(shape, hint)}")
        text = f"{{ {'; '.join(parts)} }}" if parts else "object"
        for need in shape.needs:
            text += f" & ({' | '.join(wrapped(self.alternative(each, hint)) for each in need)})"
        return text


def key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else json.dumps(name)


def wrapped(text: str) -> str:
    """Returns a type in brackets if an operator may follow it."""
    return f"({text})" if " " in text and not re.fullmatch(r'"[^"]*"|\{[^{}]*\}', text) else text


def comment(doc: str, indent: int) -> str:
    text = doc.replace("*/", "*\\/")
    return f"{' ' * indent}/** {text} */\n" if text else ""
