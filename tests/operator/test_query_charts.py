"""What the charts and the report of scripts/query show, and that visitors' texts do nothing in them."""

from __future__ import annotations

import base64
import re
import shlex
import sys
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import chart_page
import query as program
import report
from chart import MOST_BARS, Chart, label
from saved_queries import Query, names
from support.lake_fixtures import DAY, Asking, deliver, event

EVIL = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\u202e" + "x" * 3_000


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(tmp_path / "cache", monkeypatch, capsys)


def busy() -> list[dict[str, Any]]:
    """Events of two days with more names, pages and campaigns than a page can show, all of them long."""
    found = []
    for number in range(60):
        text = f"{EVIL}{number}"
        shared = {"url": f"https://{text}", "url_host": text, "url_path": f"/{text}", "country": f"{number:02}", "city": text,
                  "utm_campaign": text, "utm_source": text, "utm_medium": text, "referrer_medium": "search",
                  "referrer_source": text, "session_index": 1, "browser": text, "os": text, "tenant": f"tenant-{number}",
                  "at": f"{DAY}T{number % 24:02}:00:00.000Z"}  # fmt: skip
        props = {"video_id": text, "href": text, "total": 9, "currency": text, "lcp_ms": 900, "percent": 25, "watched_s": 3}
        for name in ("page_view", "order_placed", "download", "video_progress", "web_vitals", f"name_{number}"):
            version = None if name.startswith("name") else "1.0.0"
            found.append(event(number, name, schema_version=version, props=props, **shared))
        found.append(event(number, "bot", bot=True, bot_reason="headless", bot_name=text, tenant="tenant-1"))
        found.append({"event_id": f"failed-{number}", "tenant": "tenant-1", "stage": "validate", "code": "bad_format", "name": text,
                      "message": text, "received_at": f"{DAY}T08:00:00.000Z"})  # fmt: skip
    return found


class Page(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_report_has_all_answers_on_a_small_page_that_runs_nothing(
    ask: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = deliver(tmp_path / "lake", *busy())
    file = tmp_path / "report.html"
    words = ["report", f"{DAY}..2026-11-22", "--source", str(lake), "--plot", str(file), "--cache", str(ask.cache)]
    monkeypatch.setattr(sys, "argv", ["query", *words])
    assert program.main() == 0
    text = file.read_text(encoding="utf-8")
    assert 20_000 < len(text.encode()) < report.LIMIT
    assert file.stat().st_mode & 0o777 == 0o600
    assert "\u202e" not in text
    page = Page(text)
    assert {tag for tag, _ in page.elements} == {
        "html", "meta", "title", "style", "h1", "p", "nav", "a", "section", "h2", "div", "table", "thead", "tr", "th", "tbody", "td",
        "svg", "rect", "path", "footer", "code",
    }  # fmt: skip
    attributes = {name for _, its in page.elements for name in its}
    assert not {each for each in attributes if each.startswith("on")} | attributes & {"src", "style", "xlink:href"}
    assert [its["id"] for tag, its in page.elements if tag == "section"] == report.ORDER
    assert [its["href"] for tag, its in page.elements if tag == "a"] == [f"#{name}" for name in report.ORDER]
    (policy,) = [its["content"] for _, its in page.elements if "http-equiv" in its]
    assert policy and policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    footer = f"{DAY} 00:00 to 2026-11-22 00:00 UTC · all tenants · bots left out"
    assert page.words.count(footer) == 2
    assert f"50 more rows: scripts/query visitors {DAY}..2026-11-22 --source {lake}" in page.words
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("--week", "7d"),
        ("4w --bots", "4w --bots"),
        ("--since 2026-11-20 --until 2026-11-21T08:00+01:00", "--since=2026-11-20T00:00:00+00:00 --until=2026-11-21T07:00:00+00:00"),
        ("--tenant a --tenant 'b c' --source x", "--source x --tenant a --tenant 'b c'"),
    ],
)
def test_a_report_names_what_asks_for_the_rest(words: str, asked: str) -> None:
    given = program._arguments([program.REPORT, *shlex.split(words)])
    assert program._asked(given) == asked
    program._arguments(["visitors", *shlex.split(asked)])


def test_a_chart_is_a_vector_graphic_that_runs_nothing(ask: Asking, tmp_path: Path) -> None:
    lake, file = deliver(tmp_path / "lake", *busy()), tmp_path / "chart.svg"
    ended = ask(lake, "pages", DAY, "--plot", str(file))
    assert ended.printed == f"{file} shows 60 rows\n"
    text = file.read_text(encoding="utf-8")
    drawing = Page(text)
    assert {tag for tag, _ in drawing.elements} <= {"svg", "rect", "g", "path", "text", "line", "defs", "clippath"}
    attributes = {name for _, its in drawing.elements for name in its}
    assert not {each for each in attributes if each.startswith("on") or each.endswith("href")}
    assert "\u202e" not in text and file.stat().st_mode & 0o777 == 0o600
    # With its title and the line below.
    words = " ".join(drawing.words)
    assert "Pages" in words and "all tenants · bots left out" in words


def test_the_report_has_each_query_but_now() -> None:
    assert sorted([*report.ORDER, "now"]) == names()


@pytest.mark.parametrize("words", [["--json"], ["--plot", "a.png"], ["--by", "country"], ["--week", "7d"]])
def test_a_report_is_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["query", "report", "--source", str(tmp_path), *words])
    try:
        assert program.main() == 2
    except SystemExit as ended:
        assert ended.code == 2


def test_an_empty_report_says_so(ask: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = deliver(tmp_path / "lake", event(1))
    file = tmp_path / "report.html"
    monkeypatch.setattr(sys, "argv", ["query", "report", "--week", "--source", str(lake), "--plot", str(file), "--no-cache"])
    assert program.main() == 0
    # A funnel has its steps without events, too.
    assert file.read_text().count("There is nothing to show in this range.") == len(report.ORDER) - 1


def test_a_time_series_is_one_shape() -> None:
    start = datetime(2026, 11, 20)
    rows = [(start + timedelta(hours=number), number) for number in range(24)]
    text = report.page("a", "b", [report.Answered("hourly", "Hours.", Chart.parse("bar hour events"), ["hour", "events"], rows)])
    (shape,) = re.findall(r'<path d="([^"]+)"', text)
    assert shape.count("M") == 23 and shape.endswith("M23 100h.8v-100h-.8z")
    assert text.count("<tr>") == 11 and "14 earlier rows" in text
    assert text.index("2026-11-20 23:00</td>") < text.index("2026-11-20 14:00</td>")


@pytest.mark.parametrize(
    ("column", "expected"),
    [("lcp_ms", "lcp (ms)"), ("engaged_s", "engaged (s)"), ("bounce_percent", "bounce (%)"), ("percent", "%"), ("percent_of_previous", "% of previous"),
     ("sessions", "sessions")],
)
def test_axes_have_units(column: str, expected: str) -> None:
    assert label(column) == expected


def test_words_on_a_dark_ground_are_white(tmp_path: Path) -> None:
    file = tmp_path / "chart.html"
    rows = [{"step": "1 a", "sessions": 1_200, "percent": 100.0}, {"step": "2 b", "sessions": 300, "percent": 25.0}]
    chart = Query.saved("funnel").chart
    assert chart
    chart.write(file, "Steps", rows)
    drawings = [base64.b64decode(each).decode() for each in re.findall(r'(?:src|srcset)="data:image/svg\+xml;base64,([^"]+)"', file.read_text())]
    assert len(drawings) == 4
    for drawing, ground in zip(drawings, ["dark", "light", "dark", "light"], strict=True):
        fills = {fill for fill, said in re.findall(r'<text[^>]* fill="([^"]+)"[^>]*>([^<]*)', drawing) if said.strip()}
        assert "1,200 · 100.0 %" in drawing
        assert fills == ({"#fff"} if ground == "dark" else {"#000", "black"})


def test_ticks_of_counts_are_whole_and_apart() -> None:
    def axis(values: list[float], *, is_narrow: bool) -> dict[str, Any]:
        rows = [{"name": f"n{number}", "events": value} for number, value in enumerate(values)]
        found: dict[str, Any] = Chart.parse("bar name events")._spec("", rows, is_narrow=is_narrow)["encoding"]["x"]["axis"]
        return found

    assert axis([1, 2], is_narrow=False)["tickMinStep"] == 1
    assert "tickMinStep" not in axis([0.1, 0.2], is_narrow=False)
    assert axis([1, 120], is_narrow=True)["tickCount"] < axis([1, 120], is_narrow=False)["tickCount"] <= 8


def test_no_word_or_number_of_a_report_is_broken() -> None:
    rows = [("order_placed", 1234.5, "a sentence that is longer than a line of the table")]
    text = report.page("a", "b", [report.Answered("pages", "By `name`.", None, ["name", "events", "example"], rows)])
    assert '<td>order_placed</td><td class="n">1,234.5</td><td class="w">a sentence' in text
    assert "<p>By <code>name</code>.</p>" in text
    assert "td { white-space: nowrap }" in text


def test_bars_of_names_are_horizontal_and_a_funnel_has_percentages() -> None:
    rows = [{"step": "1 a", "sessions": 1_200, "percent": 100.0}, {"step": "2 b", "sessions": 300, "percent": 25.0}]
    chart = Query.saved("funnel").chart
    assert chart
    spec = chart._spec("", rows)
    assert (spec["encoding"]["y"]["field"], spec["encoding"]["x"]["field"]) == ("x", "y")
    assert [each["label"] for each in spec["data"]["values"]] == ["1,200 · 100.0 %", "300 · 25.0 %"]
    good = Query.saved("web_vitals_good").chart
    assert good
    shares = good._spec("", [{"country": "CH", "good_percent": 90.0, "metric": metric} for metric in ("cls", "lcp_ms")])
    # Shares of different things have no sum.
    assert shares["encoding"]["yOffset"]["field"] == "color"
    days = Chart.parse("bar day events")._spec("", [{"day": date(2026, 11, 20), "events": 1}])
    assert days["encoding"]["x"]["type"] == "temporal"


@pytest.mark.parametrize(("words", "said"), [([], "all tenants · bots left out"), (["--tenant", "shop", "--bots"], "tenant shop · bots included")])
def test_a_chart_names_its_range_tenants_and_bots(ask: Asking, tmp_path: Path, words: list[str], said: str) -> None:
    lake = deliver(tmp_path / "lake", *[event(number, f"name_{number}", tenant="shop") for number in range(MOST_BARS + 5)])
    file = tmp_path / "chart.html"
    ask(lake, "--sql", "SELECT name, sum(weight) AS events FROM counted GROUP BY ALL ORDER BY 1", "--chart", "bar name events",
        "--plot", str(file), "--since", DAY, "--until", "2026-11-21T06:30", *words)  # fmt: skip
    page = Page(file.read_text(encoding="utf-8"))
    cut = f"drawn are the first {MOST_BARS} of {MOST_BARS + 5} rows"
    assert f"{DAY} 00:00 to 2026-11-21 06:30 UTC · {said} · {cut}" in page.words
    # The drawing has the first bars, the table all rows.
    assert sum(tag == "td" for tag, _ in page.elements) == 2 * (MOST_BARS + 5)
    assert len(file.read_bytes()) < chart_page.LIMIT


@pytest.mark.parametrize("count", [168, 900])
@pytest.mark.parametrize("form", ["bar hour events", "line hour events name"])
def test_a_page_is_small_however_many_rows_there_are(tmp_path: Path, count: int, form: str) -> None:
    start, file = datetime(2026, 11, 1), tmp_path / "chart.html"
    rows = [{"hour": start + timedelta(hours=number), "events": number / 7, "name": f"name_{number % 9}"} for number in range(count)]
    Chart.parse(form).write(file, "Hours", rows, "a footer")
    page = Page(file.read_text(encoding="utf-8"))
    assert len(file.read_bytes()) < chart_page.LIMIT
    # The newest row is there, and what is not is said.
    assert f"{rows[-1]['hour']:%Y-%m-%d %H:%M}" in page.words
    (footer,) = [each for each in page.words if each.startswith("a footer")]
    assert ("the table has" in footer) == (count > 200)
    sources = [its["media"] for tag, its in page.elements if tag == "source"]
    assert sources == ["(max-width: 40rem) and (prefers-color-scheme: dark)", "(max-width: 40rem)", "(prefers-color-scheme: dark)"]


def test_a_chart_of_all_events_says_that_bots_are_in_it(ask: Asking, tmp_path: Path) -> None:
    lake = deliver(tmp_path / "lake", event(1), event(2, bot=True))
    file = tmp_path / "chart.html"
    sql = "WITH own AS (SELECT name, weight FROM events) SELECT name, sum(weight) AS n FROM own GROUP BY ALL"
    ended = ask(lake, "--sql", sql, "--chart", "bar name n", "--plot", str(file))
    assert ended.complaints == ""
    assert any(each.endswith("all tenants · bots included") for each in Page(file.read_text(encoding="utf-8")).words)
