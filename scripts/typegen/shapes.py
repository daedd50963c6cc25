"""Reads a JSON Schema of the catalogue as a shape: what every value that fits it looks like.

One law holds: a shape has every value that its schema accepts. What a shape cannot express (lengths, patterns, bounds,
`not`, `contains`, `propertyNames`) makes it wider, never narrower; the documentation of a member names the bounds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

# What the schema compiler knows (src/schema/compile/keyword.rs), and the keywords of an event.
ANNOTATIONS = {"$defs", "$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "x-version", "x-level", "x-session-start", "x-partition"}  # fmt: skip
OF_OBJECTS = {"properties", "patternProperties", "additionalProperties", "required", "dependentRequired", "dependentSchemas"}  # fmt: skip
OF_ARRAYS = {"items", "prefixItems"}
WIDENED = {"minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "minProperties", "maxProperties", "propertyNames", "not"}  # fmt: skip
IN_PLACE = {"$ref", "allOf", "anyOf", "oneOf", "if", "then", "else"}
KNOWN = ANNOTATIONS | OF_OBJECTS | OF_ARRAYS | WIDENED | IN_PLACE | {"type", "const", "enum"}
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
# Past it a number is not the same one in JavaScript.
MAX_SAFE_INTEGER = 2**53 - 1
# The most options of two unions that are combined; more of them keep only one union.
MAX_OPTIONS = 256


class SchemaError(Exception):
    """A schema that cannot be read; the message names the place."""


@dataclass(frozen=True)
class Unknown:
    """Any value."""


@dataclass(frozen=True)
class Never:
    """No value."""


@dataclass(frozen=True)
class Scalar:
    """A type of JSON that has no parts: null, boolean, integer, number or string."""

    kind: str


@dataclass(frozen=True)
class Literal:
    """One text, number or boolean, as JSON."""

    text: str

    @property
    def value(self) -> Any:
        return json.loads(self.text)

    @property
    def kind(self) -> str:
        return kind_of(self.value)


@dataclass(frozen=True)
class Array:
    item: Shape


@dataclass(frozen=True)
class Tuple:
    """An array whose first items have shapes of their own; the first `least` of them are required."""

    prefix: tuple[Shape, ...]
    least: int
    rest: Shape


@dataclass(frozen=True)
class Member:
    name: str
    shape: Shape
    required: bool = False
    doc: str = field(default="", compare=False)


@dataclass(frozen=True)
class Object:
    """An object. `extra` is the shape of members without a name here, or None if the schema does not mention them.

    Of each tuple in `needs` the object also fits at least one shape.
    """

    members: tuple[Member, ...] = ()
    extra: Shape | None = None
    needs: tuple[tuple[Shape, ...], ...] = ()

    def member(self, name: str) -> Member | None:
        return next((each for each in self.members if each.name == name), None)


@dataclass(frozen=True)
class Union:
    options: tuple[Shape, ...]


@dataclass(frozen=True)
class Reference:
    """A subschema of the same file, by its JSON Pointer."""

    pointer: str


Shape = Unknown | Never | Scalar | Literal | Array | Tuple | Object | Union | Reference
UNKNOWN, NEVER = Unknown(), Never()


def kind_of(value: Any) -> str:
    """Returns the narrowest type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def constant(value: Any) -> Shape:
    """Returns the shape that has this value only, or the type of a number that not every language can write."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_SAFE_INTEGER:
        value = int(value)
    match kind_of(value):
        case "null":
            return Scalar("null")
        case "array":
            return Tuple(tuple(map(constant, value)), len(value), NEVER)
        case "object":
            return Object(tuple(Member(name, constant(each), True) for name, each in value.items()), NEVER)
        case "integer" if abs(value) > MAX_SAFE_INTEGER:
            return Scalar("integer")
        case "number" if abs(value) > MAX_SAFE_INTEGER:
            return Scalar("number")
        case _:
            return Literal(json.dumps(value, ensure_ascii=False))


def union(shapes: Iterable[Shape]) -> Shape:
    """Returns the shape of all values of these."""
    options: list[Shape] = []
    for shape in shapes:
        for each in shape.options if isinstance(shape, Union) else (shape,):
            if each not in options and each != NEVER:
                options.append(each)
    if UNKNOWN in options:
        return UNKNOWN
    kinds = {each.kind for each in options if isinstance(each, Scalar)}
    kinds |= {"integer"} if "number" in kinds else set()
    options = [
        each
        for each in options
        if not (isinstance(each, Literal) and each.kind in kinds)
        and not (each == Scalar("integer") and Scalar("number") in options)
    ]
    if kinds >= set(TYPES[:5]) and Array(UNKNOWN) in options and Object() in options:
        return UNKNOWN
    return options[0] if len(options) == 1 else Union(tuple(options)) if options else NEVER


def documentation(schema: Any) -> str:
    """Returns the description of a schema and the bounds that its shape leaves out."""
    if not isinstance(schema, dict):
        return ""
    parts = [str(schema["description"])] if "description" in schema else []
    bounds = [f"{key} {json.dumps(schema[key], ensure_ascii=False)}" for key in schema if key in WIDENED and not isinstance(schema[key], dict)]
    bounds = [bound.removesuffix(" true") for bound in bounds if not bound.endswith(" false")]
    if bounds:
        parts.append(f"({', '.join(bounds)})")
    # A line break or a control character would end a comment.
    return " ".join("".join(each if each.isprintable() else " " for each in " ".join(parts)).split())


class Reader:
    """Reads the subschemas of one file."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._read: dict[str, Shape] = {}
        self._expanded: list[str] = []

    def read(self, schema: Any, at: str = "") -> Shape:
        """Returns the shape of a subschema at the JSON Pointer `at`."""
        if isinstance(schema, bool):
            return UNKNOWN if schema else NEVER
        if not isinstance(schema, dict):
            raise SchemaError(f"{place(at)}must be an object or a boolean")
        unknown = sorted(schema.keys() - KNOWN)
        if unknown:
            raise SchemaError(f"{place(at)}{unknown[0]} is not supported")
        shape = self._own(schema, at)
        if "$ref" in schema:
            shape = self.meet(shape, Reference(self._target(schema["$ref"], at)))
        for index, each in enumerate(schema.get("allOf", [])):
            shape = self.meet(shape, self.read(each, f"{at}/allOf/{index}"))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                shape = self.meet(shape, union(self.read(each, f"{at}/{key}/{index}") for index, each in enumerate(schema[key])))
        if "if" in schema:
            shape = self._condition(shape, schema, at)
        return shape

    def expand(self, reference: Reference) -> Shape:
        """Returns the shape that a reference leads to, or any value within itself."""
        pointer = reference.pointer
        if pointer in self._expanded:
            return UNKNOWN
        if pointer not in self._read:
            self._expanded.append(pointer)
            shape = self.read(self.subschema(pointer), pointer)
            self._expanded.pop()
            # Read inside another one, a part of it may be left out.
            if self._expanded:
                return shape
            self._read[pointer] = shape
        return self._read[pointer]

    def subschema(self, pointer: str) -> Any:
        found = self.root
        for step in pointer.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(step)] if isinstance(found, list) else found[step]
            except (KeyError, ValueError, IndexError, TypeError):
                raise SchemaError(f"$ref refers to #{pointer}, where nothing is") from None
        return found

    def meet(self, a: Shape, b: Shape) -> Shape:
        """Returns a shape that has every value of both, and no more of others than it has to."""
        if a == UNKNOWN or a == b:
            return b
        if b == UNKNOWN:
            return a
        if NEVER in (a, b):
            return NEVER
        if isinstance(a, Reference):
            return self.meet(self.expand(a), b)
        if isinstance(b, Reference):
            return self.meet(a, self.expand(b))
        if isinstance(a, Object) and isinstance(b, Union):
            return self._with_need(a, b.options)
        if isinstance(b, Object) and isinstance(a, Union):
            return self._with_need(b, a.options)
        if isinstance(a, Union) or isinstance(b, Union):
            left, right = (each.options if isinstance(each, Union) else (each,) for each in (a, b))
            if len(left) * len(right) > MAX_OPTIONS:
                return a
            return union(self.meet(one, other) for one in left for other in right)
        match a, b:
            case (Scalar(kind), Scalar(other)):
                return Scalar("integer") if {kind, other} == {"integer", "number"} else NEVER
            case (Literal(), Scalar(kind)):
                return a if kind in (a.kind, "number" if a.kind == "integer" else "") else NEVER
            case (Scalar(), Literal()):
                return self.meet(b, a)
            case (Array(item), Array(other_item)):
                return Array(self.meet(item, other_item))
            case (Array(item), Tuple(prefix, least, rest)) | (Tuple(prefix, least, rest), Array(item)):
                return Tuple(tuple(self.meet(each, item) for each in prefix), least, self.meet(rest, item))
            case (Tuple(), Tuple()):
                return self._meet_tuples(a, b)
            case (Object(), Object()):
                return self._meet_objects(a, b)
            case _:
                return NEVER

    def flat(self, shape: Shape) -> Object | None:
        """Returns an object without `needs`: their members are optional unless every alternative requires them.

        None if the shape is no object.
        """
        if isinstance(shape, Reference):
            return self.flat(self.expand(shape))
        if not isinstance(shape, Object):
            return None
        members = {each.name: each for each in shape.members}
        open_ended = False
        for need in shape.needs:
            flats = [each for each in map(self.flat, need) if each]
            open_ended |= any(each.extra not in (None, NEVER) for each in flats)
            for name in dict.fromkeys(member.name for each in flats for member in each.members):
                of_each = [each.member(name) for each in flats]
                # An alternative that does not mention it has it with any value, if it is open.
                shape_of = union(member.shape if member else UNKNOWN if each.extra is None else each.extra for each, member in zip(flats, of_each, strict=True))
                required = all(member and member.required for member in of_each)
                known = members.get(name)
                doc = next((member.doc for member in of_each if member and member.doc), "")
                if known:
                    members[name] = replace(known, required=known.required or required)
                else:
                    members[name] = Member(name, shape_of, required, doc)
        return Object(tuple(members.values()), UNKNOWN if open_ended else shape.extra)

    def _target(self, reference: Any, at: str) -> str:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise SchemaError(f'{place(at)}$ref must be "#" or "#/" and a JSON Pointer')
        pointer = unquote(reference[1:])
        self.subschema(pointer)
        return pointer

    def _own(self, schema: dict[str, Any], at: str) -> Shape:
        """Returns the shape by `type`, `const` and `enum` and by the members and items."""
        given = schema.get("type", list(TYPES))
        types = [given] if isinstance(given, str) else given
        if unknown := [each for each in types if each not in TYPES]:
            raise SchemaError(f"{place(at)}type can't be {json.dumps(unknown[0])}")
        if "const" in schema or "enum" in schema:
            plain = union(self._type(each, {}, at) for each in types)
            shape = union(map(constant, schema["enum"])) if "enum" in schema else UNKNOWN
            shape = self.meet(shape, constant(schema["const"])) if "const" in schema else shape
            return self.meet(plain, shape)
        if "type" not in schema and not schema.keys() & (OF_OBJECTS | OF_ARRAYS):
            return UNKNOWN
        return union(self._type(each, schema, at) for each in types)

    def _type(self, name: str, schema: dict[str, Any], at: str) -> Shape:
        if name == "array":
            return self._array(schema, at)
        return self._object(schema, at) if name == "object" else Scalar(name)

    def _array(self, schema: dict[str, Any], at: str) -> Shape:
        rest = self.read(schema.get("items", True), f"{at}/items")
        prefix = [self.read(each, f"{at}/prefixItems/{index}") for index, each in enumerate(schema.get("prefixItems", []))]
        if not prefix:
            return Array(rest)
        return Tuple(tuple(prefix), min(int(schema.get("minItems", 0)), len(prefix)), rest)

    def _object(self, schema: dict[str, Any], at: str) -> Shape:
        patterns = [self.read(each, f"{at}/patternProperties") for each in schema.get("patternProperties", {}).values()]
        extra = None
        if patterns or "additionalProperties" in schema:
            others = self.read(schema.get("additionalProperties", True), f"{at}/additionalProperties")
            extra = union([*patterns, others])
        required = schema.get("required", [])
        members = [
            Member(name, self.read(each, f"{at}/properties/{escaped(name)}"), name in required, self._doc(each))
            for name, each in schema.get("properties", {}).items()
        ]
        named = {each.name for each in members}
        rest = UNKNOWN if extra is None or patterns else extra
        members += [Member(name, rest, True) for name in required if name not in named]
        shape: Shape = Object(tuple(members), extra)
        dependents: list[tuple[str, Shape]] = []
        for name, names in schema.get("dependentRequired", {}).items():
            if names:
                dependents.append((name, Object(tuple(Member(each, UNKNOWN, True) for each in names))))
        for name, each in schema.get("dependentSchemas", {}).items():
            dependents.append((name, self.read(each, f"{at}/dependentSchemas/{escaped(name)}")))
        for name, dependent in dependents:
            shape = self.meet(shape, union([Object((Member(name, NEVER),)), dependent]))
        return shape

    def _doc(self, schema: Any) -> str:
        doc = documentation(schema)
        if not doc and isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            doc = documentation(self.subschema(unquote(schema["$ref"][1:])))
        return doc

    def _condition(self, shape: Shape, schema: dict[str, Any], at: str) -> Shape:
        condition, met, unmet = (self.read(schema.get(key, True), f"{at}/{key}") for key in ("if", "then", "else"))
        unmet = self.meet(self._negation(schema["if"], shape), unmet)
        return self.meet(shape, union([self.meet(condition, met), unmet]))

    def _negation(self, condition: Any, shape: Shape) -> Shape:
        """Returns the shape of what does not fit a condition: exact if that asks one member of few values."""
        if not isinstance(condition, dict) or not isinstance(shape, Object):
            return UNKNOWN
        asked = condition.keys() - ANNOTATIONS
        properties, required = condition.get("properties", {}), condition.get("required", [])
        if not asked <= {"properties", "required", "type"} or condition.get("type", "object") != "object" or len(properties) != 1:  # fmt: skip
            return UNKNOWN
        ((name, schema),) = properties.items()
        member = shape.member(name)
        if not member or not isinstance(schema, dict) or not schema.keys() - ANNOTATIONS <= {"const", "enum"} or set(required) - {name}:  # fmt: skip
            return UNKNOWN
        values, excluded = (each.options if isinstance(each, Union) else (each,) for each in (member.shape, self.read(schema)))
        if not all(isinstance(each, Literal) for each in (*values, *excluded)):
            return UNKNOWN
        others = union(each for each in values if each not in excluded)
        return Object((Member(name, others, not required),)) if others != NEVER or required else NEVER

    def _with_need(self, shape: Object, options: tuple[Shape, ...]) -> Shape:
        """Returns the object that also fits one of these."""
        fitting: list[Shape] = []
        for option in options:
            option = self.expand(option) if isinstance(option, Reference) else option
            if option == UNKNOWN or option == Object():
                return shape
            if isinstance(option, Union):
                return self._with_need(shape, tuple(each for one in options for each in self._options(one)))
            if isinstance(option, Object):
                fitting.append(self._beside(shape, option))
        fitting = list(dict.fromkeys(fitting))
        if len(fitting) > 1:
            return replace(shape, needs=(*shape.needs, tuple(fitting)))
        return self.meet(shape, fitting[0]) if fitting else NEVER

    def _options(self, shape: Shape) -> tuple[Shape, ...]:
        shape = self.expand(shape) if isinstance(shape, Reference) else shape
        return shape.options if isinstance(shape, Union) else (shape,)

    def _beside(self, shape: Object, option: Object) -> Object:
        """Returns an option with the shapes that its members have in the object beside it."""
        members = []
        for member in option.members:
            known = shape.member(member.name)
            members.append(replace(member, shape=self.meet(known.shape, member.shape), doc=member.doc or known.doc) if known else member)  # fmt: skip
        return replace(option, members=tuple(members))

    def _meet_tuples(self, a: Tuple, b: Tuple) -> Shape:
        length = max(len(a.prefix), len(b.prefix))
        at = lambda shape, index: shape.prefix[index] if index < len(shape.prefix) else shape.rest  # noqa: E731
        prefix = tuple(self.meet(at(a, index), at(b, index)) for index in range(length))
        return Tuple(prefix, max(a.least, b.least), self.meet(a.rest, b.rest))

    def _meet_objects(self, a: Object, b: Object) -> Shape:
        members = []
        for name in dict.fromkeys(each.name for each in (*a.members, *b.members)):
            one, other = a.member(name), b.member(name)
            left, right = (self._member_shape(shape, member) for shape, member in ((a, one), (b, other)))
            required = any(each.required for each in (one, other) if each)
            doc = next((each.doc for each in (one, other) if each and each.doc), "")
            shape = self.meet(left, right)
            if required and shape == NEVER:
                return NEVER
            members.append(Member(name, shape, required, doc))
        extra = b.extra if a.extra is None else a.extra if b.extra is None else self.meet(a.extra, b.extra)
        return Object(tuple(members), extra, (*a.needs, *b.needs))

    @staticmethod
    def _member_shape(shape: Object, member: Member | None) -> Shape:
        return member.shape if member else UNKNOWN if shape.extra is None else shape.extra


def place(at: str) -> str:
    return f"{at}: " if at else ""


def escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
