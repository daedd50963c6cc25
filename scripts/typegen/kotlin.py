"""Writes HeadwaterEvents.kt: data classes without a dependency; `toMap` has the names of JSON, for any JSON library."""

from __future__ import annotations

import json
import re

from events import Event, camel, kind_in_common, options_of, pascal, pointer_hint, unique
from shapes import NEVER, UNKNOWN, Array, Literal, Object, Reference, Shape, Tuple, Union, union

HEAD = """// The events of the catalogue. Made by scripts/types; edit the schemas, not this file.
@file:Suppress("unused", "RemoveRedundantBackticks", "EnumEntryName")

package {package}

/** An object of JSON. */
interface HeadwaterObject {{
    /** The members by their names in JSON, without those that are absent. */
    fun toMap(): Map<String, Any?>
}}

/** The props of an event. */
interface HeadwaterProps : HeadwaterObject {{
    val eventName: String
}}

/** One of few values. */
interface HeadwaterEnum {{
    val json: String
}}

private fun plain(value: Any?): Any? = when (value) {{
    is HeadwaterObject -> value.toMap()
    is HeadwaterEnum -> value.json
    is List<*> -> value.map {{ plain(it) }}
    is Map<*, *> -> value.mapValues {{ plain(it.value) }}
    else -> value
}}

/** An event: its props, and the fields that your app sets beside them. `metadata` holds annotations of your own. */
data class HeadwaterEvent(
    val props: HeadwaterProps,
    val metadata: Map<String, Any?>? = null,
{fields}
) : HeadwaterObject {{
    override fun toMap(): Map<String, Any?> {{
        val members = LinkedHashMap<String, Any?>()
        members["name"] = this.props.eventName
        members["props"] = this.props.toMap()
        this.metadata?.let {{ members["metadata"] = plain(it) }}
{puts}
        return members
    }}
}}
"""
SCALARS = {"boolean": "Boolean", "integer": "Long", "number": "Double", "string": "String"}
# Those that are always reserved, and those that are so in some places.
KEYWORDS = {
    *"as break class continue do else false for fun if in interface is null object package return super this throw true try typealias typeof val var when while".split(),
    *"abstract actual annotation by catch companion const constructor crossinline data delegate dynamic enum expect external field file final finally get import infix init inline inner internal lateinit noinline open operator out override param private property protected public receiver reified sealed set setparam suspend tailrec value vararg where".split(),
}


class Kotlin:
    file = "HeadwaterEvents.kt"

    def __init__(self, package: str = "headwater") -> None:
        self.package = package
        self.parts: list[str] = []
        self.taken = {"HeadwaterObject", "HeadwaterProps", "HeadwaterEnum", "HeadwaterEvent", "Any", "Boolean", "Double", "List", "Long", "Map", "Nothing", "String", "Suppress"}  # fmt: skip
        self.references: dict[str, str] = {}
        self.expanding: list[str] = []
        self.made: dict[tuple[str, Shape], str] = {}

    def write(self, events: list[Event], other: Event, *, accepts_unknown: bool) -> str:
        """Returns the file. `other` is an event without a schema."""
        names = {each.name: unique(pascal(each.name), self.taken) for each in events}
        self.event = other
        fields, puts = [], []
        for each in other.beacon.members:
            if each.name in ("name", "props", "metadata"):
                continue
            kind, _ = self.type(each.shape, f"HeadwaterEvent{pascal(each.name)}")
            fields.append(f"{comment(each.doc, 4)}    val {camel(each.name)}: {kind}? = null,")
            puts.append(f"        this.{camel(each.name)}?.let {{ members[{text(each.name)}] = plain(it) }}")
        for event in events:
            self.event, self.references = event, {}
            shape = event.reader.flat(event.props.shape)
            assert shape
            self.data_class(names[event.name], shape, f"{event.doc} Version {event.version}.", event.name)
        if accepts_unknown:
            self.parts.append(open_class("OtherEvent", "An event without a schema.", None))
        head = HEAD.format(package=self.package, fields="\n".join(fields), puts="\n".join(puts))
        return head + "\n" + "\n".join(self.parts)

    def data_class(self, name: str, flat: Object, doc: str, event: str | None) -> None:
        members = [each for each in flat.members if each.shape != NEVER]
        if not members:
            # Only an event has a class without members of its own.
            self.parts.append(open_class(name, doc, event))
            return
        taken = {"eventName", "toMap", "others"} if event else {"toMap", "others"}
        fields, puts = [], []
        # What is required comes first, so that a call can name it by its place.
        for each in sorted(members, key=lambda member: not member.required):
            kind, nullable = self.type(each.shape, name + pascal(each.name))
            field = quoted(unique(camel(each.name), taken))
            optional = not each.required
            fields.append(f"{comment(each.doc, 4)}    val {field}: {kind}{'?' if nullable or optional else ''}{' = null' if optional else ''},")
            puts.append(f"        this.{field}?.let {{ members[{text(each.name)}] = plain(it) }}" if optional else f"        members[{text(each.name)}] = plain(this.{field})")
        if flat.extra not in (None, NEVER):
            fields.append("    /** Members without a name in the schema. */\n    val others: Map<String, Any?> = emptyMap(),")
            puts.insert(0, "        this.others.forEach { (name, value) -> members[name] = plain(value) }")
        base = "HeadwaterProps" if event else "HeadwaterObject"
        own = f"    override val eventName: String get() = {text(event)}\n\n" if event else ""
        self.parts.append(
            f"{comment(doc, 0)}data class {name}(\n" + "\n".join(fields) + f"\n) : {base} {{\n{own}    override fun toMap(): Map<String, Any?> {{\n        val members = LinkedHashMap<String, Any?>()\n" + "\n".join(puts) + "\n        return members\n    }\n}\n"
        )

    def type(self, shape: Shape, hint: str) -> tuple[str, bool]:
        """Returns a type, and whether it also has null."""
        if isinstance(shape, Reference):
            return self.reference(shape, hint)
        options, nullable = options_of(shape)
        if not options:
            return "Nothing", True
        kind = kind_in_common(options)
        if kind == "string" and all(isinstance(each, Literal) for each in options):
            return self.enum(options, hint), nullable
        if kind:
            return SCALARS[kind], nullable
        if all(isinstance(each, Array | Tuple) for each in options):
            items = union(part for each in options for part in ((each.item,) if isinstance(each, Array) else (*each.prefix, each.rest)))  # type: ignore[union-attr]
            item, item_nullable = self.type(items, f"{hint}Item") if items != NEVER else ("Any", True)
            return f"List<{item}{'?' if item_nullable else ''}>", nullable
        if len(options) == 1 and isinstance(options[0], Object | Reference):
            found, also = self.reference(options[0], hint) if isinstance(options[0], Reference) else (self.object(options[0], hint), False)
            return found, nullable or also
        return "Any", nullable or UNKNOWN in options or any(isinstance(each, Reference) for each in options)

    def object(self, shape: Object, hint: str) -> str:
        flat = self.event.reader.flat(shape)
        if not flat or all(each.shape == NEVER for each in flat.members):
            extra = shape.extra if shape.extra not in (None, NEVER) else UNKNOWN
            kind, nullable = self.type(extra or UNKNOWN, f"{hint}Value")
            return f"Map<String, {kind}{'?' if nullable else ''}>"
        if (hint, shape) not in self.made:
            self.made[hint, shape] = unique(hint, self.taken)
            self.data_class(self.made[hint, shape], flat, "", None)
        return self.made[hint, shape]

    def reference(self, shape: Reference, hint: str) -> tuple[str, bool]:
        pointer = shape.pointer
        if pointer in self.references:
            return self.references[pointer], False
        found = self.event.reader.expand(shape)
        flat = self.event.reader.flat(found)
        if flat and any(each.shape != NEVER for each in flat.members):
            self.references[pointer] = unique(pascal(self.event.name) + pointer_hint(pointer), self.taken)
            self.data_class(self.references[pointer], flat, "", None)
            return self.references[pointer], False
        if pointer in self.expanding:
            return "Any", True
        self.expanding.append(pointer)
        kind = self.type(found, hint)
        self.expanding.pop()
        return kind

    def enum(self, options: tuple[Shape, ...], hint: str) -> str:
        key = (hint, Union(options))
        if key not in self.made:
            self.made[key] = unique(hint, self.taken)
            taken: set[str] = {"name", "ordinal", "json", "entries"}
            entries = ",\n".join(f"    {unique(entry(each.value), taken)}({text(each.value)})" for each in options if isinstance(each, Literal))
            self.parts.append(f"enum class {self.made[key]}(override val json: String) : HeadwaterEnum {{\n{entries},\n}}\n")
        return self.made[key]


def open_class(name: str, doc: str, event: str | None) -> str:
    own = f"    override val eventName: String get() = {text(event)}\n" if event else ""
    first = "" if event else "override val eventName: String, "
    return f"{comment(doc, 0)}data class {name}({first}val values: Map<String, Any?> = emptyMap()) : HeadwaterProps {{\n{own}    override fun toMap(): Map<String, Any?> = this.values.mapValues {{ plain(it.value) }}\n}}\n"


def entry(value: str) -> str:
    """Returns the name of an enum's entry."""
    name = "_".join(re.findall("[A-Za-z0-9]+", value)).upper() or "EMPTY"
    return name if re.match("[A-Z]", name) else f"N{name}"


def quoted(name: str) -> str:
    return f"`{name}`" if name in KEYWORDS else name


def text(value: object) -> str:
    return json.dumps(value).replace("\\f", "\\u000c").replace("$", "\\$")


def comment(doc: str, indent: int) -> str:
    # Comments nest in Kotlin.
    doc = doc.replace("*/", "* /").replace("/*", "/ *")
    return f"{' ' * indent}/** {doc} */\n" if doc else ""
