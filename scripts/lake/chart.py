"""A query's answer as a chart, a PNG or a page of HTML that needs no network: Vega-Lite."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import vl_convert
from objects import LakeError

SIZE = {"width": 720, "height": 360}
# More bars, or more colours, can't be read.
MOST_ROWS = 2_000
SCALE = 2


@dataclass(frozen=True)
class Chart:
    """A mark, the columns of both axes and, perhaps, that of the colour."""

    mark: str
    x: str
    y: str
    color: str | None = None

    @classmethod
    def parse(cls, text: str) -> Chart:
        """Of `MARK X Y [COLOR]`, as saved queries have it."""
        words = text.split()
        if not 3 <= len(words) <= 4 or words[0] not in ("bar", "line"):
            raise LakeError(
                f"a chart is `bar X Y [COLOR]` or `line X Y [COLOR]`, not {text!r}"
            )
        return cls(*words)

    def write(self, path: Path, title: str, rows: list[dict[str, Any]]) -> None:
        """Draws `rows`, in the form that the file's name asks for."""
        missing = (
            {self.x, self.y, self.color or self.x} - rows[0].keys() if rows else set()
        )
        if missing:
            raise LakeError(f"the answer has no column {', '.join(sorted(missing))}")
        spec = self._spec(title, rows[:MOST_ROWS])
        if path.suffix == ".png":
            path.write_bytes(vl_convert.vegalite_to_png(spec, scale=SCALE))
        elif path.suffix == ".html":
            path.write_text(
                vl_convert.vegalite_to_html(spec, bundle=True), encoding="utf-8"
            )
        else:
            raise LakeError(f"{path} must end in .png or .html")

    def _spec(self, title: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        values = [{name: _plain(value) for name, value in row.items()} for row in rows]
        x = {"field": self.x, **_axis(rows[0][self.x] if rows else None)}
        encoding: dict[str, Any] = {
            "x": {**x, "title": self.x, "axis": {"labelLimit": 240}},
            "y": {"field": self.y, "type": "quantitative", "title": self.y},
            "tooltip": [{"field": name} for name in (rows[0] if rows else ())],
        }
        if self.color:
            encoding["color"] = {"field": self.color, "type": "nominal"}
        mark = (
            {"type": self.mark, "point": True}
            if self.mark == "line"
            else {"type": self.mark}
        )
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "title": title,
            "background": "white",
            **SIZE,
            "data": {"values": values},
            "mark": mark,
            "encoding": encoding,
        }


def _plain(value: Any) -> Any:
    """A value as JSON has it; times are in UTC, which a browser would not guess."""
    if isinstance(value, (int, float, type(None))):
        return value
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or timezone.utc).isoformat()
    return str(value)


def _axis(value: Any) -> dict[str, Any]:
    """How an axis of such values runs: as time does, or in the order of the answer."""
    if isinstance(value, datetime):
        return {"type": "temporal", "scale": {"type": "utc"}}
    if isinstance(value, date):
        return {"type": "temporal", "timeUnit": "utcyearmonthdate"}
    return {"type": "nominal", "sort": None}
