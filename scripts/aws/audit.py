"""Looks up the packages of the bill of materials in OSV, a database of known vulnerabilities: https://google.github.io/osv.dev/api/

It needs no package. The scope of a package is that of the bill of materials.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "lake"))
from command_line import DONE, FOUND, Parser, add_output, complain, run, show_progress, waiting  # noqa: E402
from sbom import components  # noqa: E402

DATABASE = "https://api.osv.dev"
ACCEPTED = Path(__file__).parents[1] / "audit-accepted.txt"
# The most queries of one request.
BATCH = 1_000
ANSWER_SECONDS = 60
PROGRAM = "audit"


class Stop(Exception):
    """Why the database can't be asked, in one sentence."""


def vulnerabilities(packages: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """The vulnerabilities of each package, by their ids."""
    for start in range(0, len(packages), BATCH):
        asked = [(package, "") for package in packages[start : start + BATCH]]
        while asked:
            queries = [{"package": {"purl": package["purl"]}, **({"page_token": token} if token else {})} for package, token in asked]
            further = []
            for (package, _), result in zip(asked, ask(queries), strict=True):
                for vulnerability in result.get("vulns", []):
                    yield {"id": vulnerability["id"], "package": package["purl"], "scope": package["scope"]}
                if token := result.get("next_page_token"):
                    further.append((package, token))
            asked = further


def ask(queries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    url = os.environ.get("HEADWATER_OSV", DATABASE) + "/v1/querybatch"
    body = json.dumps({"queries": queries}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            results = json.load(answer)["results"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Stop(f"{url} does not answer the question: {error}") from None
    if len(results) != len(queries):
        raise Stop(f"{url} answers {len(results)} of {len(queries)} questions")
    return [result or {} for result in results]


def accepted() -> set[str]:
    """The ids that are accepted. Each has a reason."""
    lines = [line.split(maxsplit=1) for line in ACCEPTED.read_text().splitlines()]
    lines = [line for line in lines if line and not line[0].startswith("#")]
    if unexplained := [line[0] for line in lines if len(line) < 2]:
        raise Stop(f"{ACCEPTED.name}: {unexplained[0]} has no reason")
    return {line[0] for line in lines}


def audit(arguments: argparse.Namespace) -> int:
    packages, known = components(), accepted()
    with waiting("asking the database"):
        found = list(vulnerabilities(packages))
    bad = [each for each in found if each["id"] not in known]
    stale = sorted(known - {each["id"] for each in found})
    if arguments.json:
        print(json.dumps(bad))
    else:
        for each in bad:
            used = "in the worker" if each["scope"] == "required" else "in the build, scripts or tests"
            print(f"{each['id']}  {each['package']}  {used}")
        if not arguments.quiet:
            print(f"{len(packages)} packages, {len(bad)} vulnerabilities, {len(found) - len(bad)} accepted")
    for vulnerability in stale:
        complain(PROGRAM, f"{ACCEPTED.name}: {vulnerability} is in no package any more: remove it")
    return FOUND if bad or stale else DONE


def main() -> int:
    parser = Parser("scripts/audit")
    add_output(parser)
    arguments = parser.parse_args()
    show_progress(arguments)
    return run(PROGRAM, lambda: audit(arguments), Stop, stopped="stopped")


if __name__ == "__main__":
    sys.exit(main())
