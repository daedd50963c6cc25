"""Writes HeadwaterEvents.swift: structs that `JSONEncoder` encodes, with no dependency but Foundation."""

from __future__ import annotations

import re

from events import Event, camel, kind_in_common, options_of, pascal, pointer_hint, unique
from shapes import NEVER, UNKNOWN, Array, Literal, Object, Reference, Shape, Tuple, Union, union

HEAD = """// The events of the catalogue. Made by scripts/types; edit the schemas, not this file.

import Foundation

/// Any value of JSON.
public enum JSONValue: Codable, Hashable, Sendable {{
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    public init(from decoder: Decoder) throws {{
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {{
            self = .null
        }} else if let value = try? container.decode(Bool.self) {{
            self = .bool(value)
        }} else if let value = try? container.decode(Int.self) {{
            self = .integer(value)
        }} else if let value = try? container.decode(Double.self) {{
            self = .number(value)
        }} else if let value = try? container.decode(String.self) {{
            self = .string(value)
        }} else if let value = try? container.decode([JSONValue].self) {{
            self = .array(value)
        }} else {{
            self = .object(try container.decode([String: JSONValue].self))
        }}
    }}

    public func encode(to encoder: Encoder) throws {{
        var container = encoder.singleValueContainer()
        switch self {{
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }}
    }}
}}

/// The props of an event.
public protocol HeadwaterProps: Codable, Hashable, Sendable {{
    static var eventName: String {{ get }}
}}

/// An event: its props, and the fields that your app sets beside them. `metadata` holds annotations of your own.
public struct HeadwaterEvent<Props: HeadwaterProps>: Codable, Hashable, Sendable {{
    public var name = Props.eventName
    public var props: Props
    public var metadata: [String: JSONValue]?
{fields}

    public init(_ props: Props, metadata: [String: JSONValue]? = nil) {{
        self.props = props
        self.metadata = metadata
    }}

    enum CodingKeys: String, CodingKey {{
        case name
        case props
        case metadata
{keys}
    }}
}}
"""
SCALARS = {"boolean": "Bool", "integer": "Int", "number": "Double", "string": "String"}
KEYWORDS = {"as", "associatedtype", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do", "else", "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard", "if", "import", "in", "init", "inout", "internal", "is", "let", "nil", "open", "operator", "precedencegroup", "private", "protocol", "public", "repeat", "rethrows", "return", "self", "static", "struct", "subscript", "super", "switch", "throw", "throws", "true", "try", "typealias", "var", "where", "while", "Any", "Self", "Type", "Protocol"}  # fmt: skip


class Swift:
    file = "HeadwaterEvents.swift"

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.taken = {"JSONValue", "HeadwaterProps", "HeadwaterEvent", "Props", "Bool", "Int", "Double", "String", "Codable", "Hashable", "Sendable", "CodingKey", "CodingKeys", "Decoder", "Encoder", "Optional", "Array", "Dictionary"}  # fmt: skip
        self.references: dict[str, str] = {}
        self.made: dict[tuple[str, Shape], str] = {}
        self.expanding: list[str] = []
        # The structs whose members are being written, without an array or a dictionary between them.
        self.within: list[str] = []

    def write(self, events: list[Event], other: Event, *, accepts_unknown: bool) -> str:
        """Returns the file. `other` is an event without a schema; Swift's is a struct of your own."""
        names = {each.name: unique(pascal(each.name), self.taken) for each in events}
        self.event = other
        fields, keys = [], []
        for each in other.beacon.members:
            if each.name in ("name", "props", "metadata"):
                continue
            kind, _ = self.type(each.shape, f"HeadwaterEvent{pascal(each.name)}")
            fields.append(f"{comment(each.doc, 4)}    public var {camel(each.name)}: {kind}?")
            keys.append(coding_key(camel(each.name), each.name))
        for event in events:
            self.event, self.references = event, {}
            flat = event.reader.flat(event.props.shape)
            assert flat
            self.struct(names[event.name], flat, f"{event.doc} Version {event.version}.", event.name)
        return HEAD.format(fields="\n".join(fields), keys="\n".join(keys)) + "\n" + "\n".join(self.parts)

    def struct(self, name: str, flat: Object, doc: str, event: str | None) -> None:
        self.within.append(name)
        members = [each for each in flat.members if each.shape != NEVER]
        conforms = "HeadwaterProps" if event else "Codable, Hashable, Sendable"
        own = f"    public static let eventName = {text(event)}\n\n" if event else ""
        if not members or flat.extra not in (None, NEVER):
            self.parts.append(self.open_struct(name, flat, doc, conforms, own))
            self.within.pop()
            return
        # Synthesized code has names of its own.
        taken = {"self", "init", "eventName", "encode", "hash", "hashValue", "CodingKeys", "encoder", "decoder"}
        fields, keys, arguments, assigned, renamed = [], [], [], [], False
        for each in sorted(members, key=lambda member: not member.required):
            kind, nullable = self.type(each.shape, name + pascal(each.name))
            field = unique(camel(each.name), taken)
            if each.required and nullable:
                # What is nil is left out, so a required null needs a value that is encoded.
                kind = "JSONValue"
            mark = "" if each.required else "?"
            fields.append(f"{comment(each.doc, 4)}    public var {quoted(field)}: {kind}{mark}")
            keys.append(coding_key(field, each.name))
            arguments.append(f"{quoted(field)}: {kind}{mark}{'' if each.required else ' = nil'}")
            assigned.append(f"        self.{quoted(field)} = {quoted(field)}")
            renamed |= field != each.name
        all_keys = "\n\n    enum CodingKeys: String, CodingKey {\n" + "\n".join(keys) + "\n    }" if renamed else ""
        self.parts.append(
            f"{comment(doc, 0)}public struct {name}: {conforms} {{\n{own}"
            + "\n".join(fields)
            + f"\n\n    public init({', '.join(arguments)}) {{\n"
            + "\n".join(assigned)
            + f"\n    }}{all_keys}\n}}\n"
        )
        self.within.pop()

    def open_struct(self, name: str, flat: Object, doc: str, conforms: str, own: str) -> str:
        """Returns a struct around a dictionary, for an object with members that the schema does not name."""
        extra = flat.extra if flat.extra not in (None, NEVER) and not flat.members else UNKNOWN
        value = self.boxed(extra or UNKNOWN, f"{name}Value")
        return (
            f"{comment(doc, 0)}public struct {name}: {conforms} {{\n{own}    public var values: [String: {value}]\n\n"
            f"    public init(_ values: [String: {value}] = [:]) {{\n        self.values = values\n    }}\n\n"
            f"    public init(from decoder: Decoder) throws {{\n        values = try decoder.singleValueContainer().decode([String: {value}].self)\n    }}\n\n"
            "    public func encode(to encoder: Encoder) throws {\n        var container = encoder.singleValueContainer()\n        try container.encode(values)\n    }\n}\n"
        )

    def boxed(self, shape: Shape, hint: str) -> str:
        """Returns the type of items, in which a struct may hold itself."""
        within, self.within = self.within, []
        kind, nullable = self.type(shape, hint)
        self.within = within
        return f"{kind}?" if nullable and kind != "JSONValue" else kind

    def type(self, shape: Shape, hint: str) -> tuple[str, bool]:
        """Returns a type, and whether it also has null."""
        if isinstance(shape, Reference):
            return self.reference(shape, hint)
        options, nullable = options_of(shape)
        if not options:
            return "JSONValue", True
        kind = kind_in_common(options)
        if kind == "string" and all(isinstance(each, Literal) for each in options):
            return self.enum(options, hint), nullable
        if kind:
            return SCALARS[kind], nullable
        if all(isinstance(each, Array | Tuple) for each in options):
            items = union(part for each in options for part in ((each.item,) if isinstance(each, Array) else (*each.prefix, each.rest)))  # type: ignore[union-attr]
            return f"[{self.boxed(items, f'{hint}Item') if items != NEVER else 'JSONValue'}]", nullable
        if len(options) == 1 and isinstance(options[0], Object | Reference):
            found, also = self.reference(options[0], hint) if isinstance(options[0], Reference) else (self.object(options[0], hint), False)
            return found, nullable or also
        return "JSONValue", False

    def object(self, shape: Object, hint: str) -> str:
        flat = self.event.reader.flat(shape)
        if not flat or all(each.shape == NEVER for each in flat.members):
            extra = shape.extra if shape.extra not in (None, NEVER) else UNKNOWN
            return f"[String: {self.boxed(extra or UNKNOWN, f'{hint}Value')}]"
        if (hint, shape) not in self.made:
            self.made[hint, shape] = unique(hint, self.taken)
            self.struct(self.made[hint, shape], flat, "", None)
        return self.held(self.made[hint, shape])

    def reference(self, shape: Reference, hint: str) -> tuple[str, bool]:
        pointer = shape.pointer
        if pointer in self.references:
            return self.held(self.references[pointer]), False
        found = self.event.reader.expand(shape)
        flat = self.event.reader.flat(found)
        if flat and any(each.shape != NEVER for each in flat.members):
            name = self.references[pointer] = unique(pascal(self.event.name) + pointer_hint(pointer), self.taken)
            self.struct(name, flat, "", None)
            return self.held(name), False
        if pointer in self.expanding:
            return "JSONValue", False
        self.expanding.append(pointer)
        kind = self.type(found, hint)
        self.expanding.pop()
        return kind

    def held(self, name: str) -> str:
        """Returns the struct, or any value if it would hold itself: it would have no end."""
        return "JSONValue" if name in self.within else name

    def enum(self, options: tuple[Shape, ...], hint: str) -> str:
        key = (hint, Union(options))
        if key not in self.made:
            self.made[key] = unique(hint, self.taken)
            taken: set[str] = {"self", "init", "rawValue", "hash", "hashValue", "encode"}
            cases = "\n".join(coding_key(unique(camel(each.value) if re.search("[A-Za-z0-9]", each.value) else "empty", taken), each.value, 4) for each in options if isinstance(each, Literal))  # fmt: skip
            self.parts.append(f"public enum {self.made[key]}: String, Codable, Hashable, Sendable {{\n{cases}\n}}\n")
        return self.made[key]


def coding_key(field: str, name: str, indent: int = 8) -> str:
    return f"{' ' * indent}case {quoted(field)}" + ("" if field == name else f" = {text(name)}")


def quoted(name: str) -> str:
    return f"`{name}`" if name in KEYWORDS else name


def text(value: str | None) -> str:
    """Returns a text as Swift writes it, without interpolation."""
    signs = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(signs.get(each) or (each if each.isprintable() else f"\\u{{{ord(each):x}}}") for each in value or "") + '"'


def comment(doc: str, indent: int) -> str:
    return f"{' ' * indent}/// {doc}\n" if doc else ""
