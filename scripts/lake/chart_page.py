"""A chart and its rows as a page of HTML, which visitors' texts can't make do anything.

The page has no script, and its policy allows none. The chart is an image, in which a browser runs
nothing and follows no link; the rows are a table of escaped texts.
"""

from __future__ import annotations

import base64
import html
import numbers
from datetime import datetime
from hashlib import sha256
from typing import Any

from shown_text import shown

# Bytes of a page, which can be sent in a message.
LIMIT = 100_000
# A text up to here is one line, so that no word is broken.
ONE_LINE = 24
UNITS = {" percent": "%", " ms": "ms", " s": "s"}
STYLE = """
:root { color-scheme: light dark; background: Canvas; color: CanvasText; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 64rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem; line-height: 1.25 }
figure, div { margin: 0 0 1.5rem; overflow-x: auto }
img { display: block; max-width: 100% }
table { border-collapse: collapse }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8888; text-align: left; vertical-align: top }
th, td { white-space: nowrap }
.w { white-space: normal; overflow-wrap: anywhere; min-width: 16ch }
.n { text-align: right; font-variant-numeric: tabular-nums }
@media (max-width: 40rem) { table { font-size: .875rem } }
"""


def page(title: str, drawings: tuple[str, str, str, str], rows: list[dict[str, Any]], footer: str = "") -> str:
    """The page of a chart that is drawn for a light and for a dark ground, and both for a phone."""
    light, dark, narrow, narrow_dark = map(_address, drawings)
    name = html.escape(shown(title or "A query's answer"))
    head = "".join(_cell(label(column), value, "th") for column, value in (rows[0].items() if rows else ()))
    cells = (map(_cell, row.values(), row.values()) for row in rows)
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(STYLE)}">
<meta name="viewport" content="width=device-width">
<title>{name}</title>
<style>{STYLE}</style>
<h1>{name}</h1>
<figure><picture>
<source media="(max-width: 40rem) and (prefers-color-scheme: dark)" srcset="{narrow_dark}">
<source media="(max-width: 40rem)" srcset="{narrow}">
<source media="(prefers-color-scheme: dark)" srcset="{dark}">
<img alt="The chart of the table below" src="{light}">
</picture></figure>
<div><table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table></div>
<footer>{html.escape(shown(footer))}</footer>
</html>
"""


def label(column: str) -> str:
    """A column's name with its unit, as an axis has it."""
    words = shown(column).replace("_", " ")
    for end, unit in UNITS.items():
        if words == end.strip():
            return unit
        if words.endswith(end):
            return f"{words.removesuffix(end)} ({unit})"
    return f"% of {words.removeprefix('percent of ')}" if words.startswith("percent of ") else words


def policy(css: str) -> str:
    """What a page with this style may do: show images that are in it, and nothing else."""
    style = base64.b64encode(sha256(css.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"


def _address(drawing: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode()}"


def _cell(value: Any, of: Any, element: str = "td") -> str:
    """A cell of a column whose values are like `of`."""
    text = f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) and not value.second else str(value)
    kind = ' class="n"' if isinstance(of, numbers.Number) else ' class="w"' if len(text) > ONE_LINE else ""
    text = "" if value is None else html.escape(shown(text))
    return f"<{element}{kind}>{text}</{element}>"
