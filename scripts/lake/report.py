"""All saved queries on one page of HTML, for a week or another range: readable on a phone, in the dark, without a script.

Bars are shapes in the page with no text in them; texts of visitors are escaped, and the page's policy allows no script, image or
address. Long answers and texts are cut, so that the page stays below LIMIT.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from chart import Chart, label
from chart_page import ONE_LINE, policy
from command_line import amount
from shown_text import shown

LIMIT = 100_000
MOST_ROWS = 10
MOST_TEXT = 60
# Of one answer; what is longer shows fewer rows.
MOST_BYTES = 3_300
# All answers in the order of the page. `now` has a range of its own.
ORDER = """
    sessions_per_day new_and_returning retention engagement session_lengths funnel revenue campaigns referrers pages
    entry_and_exit_pages downloads videos visitors devices identities hourly events_per_day web_vitals_good web_vitals consent tenants
    data_quality unknown_names failed_events programs
""".split()

STYLE = """
:root { color-scheme: light dark; background: Canvas; color: CanvasText; font: 16px/1.5 system-ui, sans-serif; --bar: #4c78a8 }
@media (prefers-color-scheme: dark) { :root { --bar: #7ea6d1 } }
body { max-width: 64rem; margin: 0 auto; padding: 1rem }
nav { columns: 10rem; margin: 1rem 0 }
nav a { display: block; padding: .25rem 0 }
a { color: LinkText }
section { border-top: 1px solid #8888; margin-top: 2rem }
h2 { margin-bottom: 0; font-size: 1.25rem }
.table { overflow-x: auto }
table { border-collapse: collapse; min-width: 100% }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; text-align: left; vertical-align: top }
td { white-space: nowrap }
.w { white-space: normal; overflow-wrap: anywhere; min-width: 16ch }
.n { text-align: right; font-variant-numeric: tabular-nums }
.b { width: 20%; min-width: 4rem; vertical-align: middle }
svg { display: block; width: 100%; height: .75rem; fill: var(--bar) }
.over { height: 6rem; margin: .5rem 0 }
@media (max-width: 40rem) {
  table { font-size: .875rem }
  th, td { padding-right: .5rem }
  .b { min-width: 3rem }
  h1 { font-size: 1.5rem }
}
footer, .more { color: GrayText }
"""


@dataclass(frozen=True)
class Answered:
    """An answer of a saved query."""

    name: str
    title: str
    chart: Chart | None
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def page(title: str, footer: str, answers: Sequence[Answered], asked: str = "") -> str:
    """The page of these answers, each a section; `asked` are the words that ask a query about the same events."""
    links = "\n".join(f'<a href="#{each.name}">{_words(each.name)}</a>' for each in answers)
    sections = "\n".join(_section(each, asked) for each in answers)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(STYLE)}">
<meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title>
<style>{STYLE}</style>
<h1>{html.escape(title)}</h1>
<p>{html.escape(shown(footer))}</p>
<nav>
{links}
</nav>
{sections}
<footer><p>{html.escape(shown(footer))}</p></footer>
</html>
"""


def _section(answered: Answered, asked: str) -> str:
    head = f'<section id="{answered.name}">\n<h2>{_words(answered.name)}</h2>\n<p>{_sentence(answered.title)}</p>\n'
    if not answered.rows:
        return f'{head}<p class="more">There is nothing to show in this range.</p>\n</section>'
    bar = _bar(answered)
    times = _times(answered, bar)
    rows = list(answered.rows[-MOST_ROWS:] if times else answered.rows[:MOST_ROWS])
    most = max((float(row[bar]) for row in rows if row[bar] is not None), default=0) if bar is not None else 0
    numeric = [_is_numeric(answered.rows, place) for place in range(len(answered.columns))]
    lines: list[str] = []
    for row in rows if not times else reversed(rows):
        cells = [_cell(value, its) for value, its in zip(row, numeric, strict=True)]
        if bar is not None:
            cells.append(_shape(row[bar], most))
        lines.append(f"<tr>{''.join(cells)}</tr>")
        if sum(map(len, lines)) > MOST_BYTES:
            lines.pop()
            break
    names = [f'<th class="n">{_head(name)}</th>' if its else f"<th>{_head(name)}</th>" for name, its in zip(answered.columns, numeric, strict=True)]
    names += [f'<th class="b">{_head(answered.columns[bar])}</th>'] if bar is not None else []
    left = len(answered.rows) - len(lines)
    which = "earlier" if times else "more"
    command = html.escape(f"scripts/query {answered.name} {asked}".rstrip())
    more = f'<p class="more">{amount(left, f"{which} row")}: {command}</p>\n' if left else ""
    body = "\n".join(lines)
    return f"""{head}{times}<div class="table"><table>
<thead><tr>{"".join(names)}</tr></thead>
<tbody>
{body}
</tbody>
</table></div>
{more}</section>"""


def _bar(answered: Answered) -> int | None:
    """The place of the column that the bars show."""
    if answered.chart is None or answered.chart.y not in answered.columns:
        return None
    place = list(answered.columns).index(answered.chart.y)
    return place if _is_numeric(answered.rows, place) else None


def _times(answered: Answered, bar: int | None) -> str:
    """All rows as one shape, if they run over a time and are too many for the table."""
    if bar is None or answered.chart is None or len(answered.rows) <= MOST_ROWS or answered.chart.color:
        return ""
    place = list(answered.columns).index(answered.chart.x)
    if not isinstance(answered.rows[0][place], date):
        return ""
    values = [float(row[bar] or 0) for row in answered.rows]
    most = max(values) or 1
    path = "".join(f"M{number} 100h.8v-{round(100 * value / most)}h-.8z" for number, value in enumerate(values) if value > 0)
    first, last = (_text(answered.rows[index][place]) for index in (0, -1))
    alt = html.escape(f"{answered.chart.y} from {first} to {last}, up to {_text(most)}")
    return f"""<svg class="over" viewBox="0 0 {len(values)} 100" preserveAspectRatio="none" role="img" aria-label="{alt}"><path d="{path}"/></svg>
<p class="more">{alt}</p>
"""


def _shape(value: Any, most: float) -> str:
    width = 100 * float(value or 0) / most if most > 0 else 0
    return f'<td class="b"><svg aria-hidden="true"><rect width="{max(width, 0):.1f}%" height="100%"/></svg></td>'


def _is_numeric(rows: Sequence[Sequence[Any]], place: int) -> bool:
    values = [row[place] for row in rows if row[place] is not None]
    return bool(values) and all(isinstance(each, (int, float, Decimal)) and not isinstance(each, bool) for each in values)


def _cell(value: Any, is_numeric: bool) -> str:
    text = html.escape(_text(value))
    kind = "n" if is_numeric else "w" if len(text) > ONE_LINE else ""
    return f'<td class="{kind}">{text}</td>' if kind else f"<td>{text}</td>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return f"{value:,}".removesuffix(".0")
    text = f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
    return shown(text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…")


def _head(column: str) -> str:
    return html.escape(label(column))


def _sentence(title: str) -> str:
    """A title; words of the answer are in backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(title))


def _words(name: str) -> str:
    return html.escape(name.replace("_", " ").capitalize())
