"""Each example of the documentation is true: it is run, or compared with what it shows.

The pages are README.md, `www/docs` and `src/docs`. An example is a fenced block, or one that is indented by four
spaces after an empty line. A rule covers it by its language and content, never by its place; one that no rule covers
fails, with its page and line. The rules, for authors of examples:

- `console`: commands begin with `$ `, their output follows. The blocks of a page are run in their order by
  bash, against the built worker and the local AWS: `http://127.0.0.1:8787`, `https://YOUR_WORKER` and
  `https://staging.example` are the worker, `DATA_BUCKET` and `FAILED_BUCKET` the buckets, `local` both of them, `a-copy`
  a copy of the first. One event and one failed event are there before. Commands are curl (as an iPhone), jq, export,
  printf, functions of the block, `npx playwright test` (which posts an `order_placed`), `scripts/query`,
  `scripts/replay` and `scripts/dev records`; each must exit with 0. Of other scripts the options must exist. Output that
  is JSON has the keys that are shown and, but for ids, times and places, the values; `…` stands for more.
- `console` without a command: lines of the log, whose keys are those that the worker writes.
- `python`, and `js` that calls `fetch`: a program that runs against the worker and exits with 0.
- `toml`: of `[vars.HEADWATER]`, with or without that line: the worker accepts it, and delivers an event to
  the streams that it names, which are those of the template. Or wrangler's `routes`.
- `json` that begins with the role `replay`: the roles of operators' keys.
- `json` with a `Principal`: statements of a key's policy. `hcl`: a call of the Terraform module.
- `json` with `$schema`: a schema that the build compiles (tests/schema/samples.rs).
- `sql`: of DuckDB, with `events` as scripts/query has them or as files below `data/`; or of Analytics
  Engine, `FROM headwater`.
- `html`, other `js`, or text that begins like them: attributes and calls that the snippet knows.
- `ts`, `kotlin`, `swift`: compiled or parsed with the types of the catalogue (tests/types/test_types.py).
- `sh`, `text` or indented: a diagram (with ▶ or ─); commands, a line each, of `scripts/`, cargo or wrangler, whose
  options exist, with variables before them that the repository reads; a sentence that begins with `HEADWATER.` and is the answer to a mistake.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

import template
from local_aws import BUCKET_OUTPUTS, LocalAws
from support import ROOT
from support.cli import OPERATOR_KEY, SECONDS, environment
from support.doc_pages import PAGES, Block, blocks, commands, examples, name_of
from support.lake_fixtures import deliver, event
from support.waiting import wait_until
from support.worker import PROGRAMS, Worker

EXAMPLES = examples()
TOKEN = "the-inspect-token-of-the-pages-1234"
SECRETS = {
    "HEADWATER_HASH_SECRET": "the-secret-of-the-pages-123456789012",
    "HEADWATER_OPERATOR_KEY": OPERATOR_KEY,
    "HEADWATER_INSPECT_TOKEN": TOKEN,
}
PATIENT: dict[str, Any] = {"linger_ms": 10, "delivery_timeout_ms": 30_000}
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
# As the pages name it.
SERVER_KEYS = {"HEADWATER_SERVER_KEYS": json.dumps({"default": "a-server-key-of-at-least-32-characters"})}
HOSTS = ("http://127.0.0.1:8787", "https://YOUR_WORKER", "https://staging.example")
STREAMS = {"low", "mid", "high", "failed"}
# What is another one each time, or at each place.
VOLATILE = re.compile(r"(_id|_at|_time|_ms|^ip|^city|^country|^timezone|^day_part|^v|^seq|^at)$")
RUN = ("curl", "jq", "export", "printf", "npx playwright test", "scripts/query", "scripts/replay", "scripts/dev records")  # fmt: skip
SCRIPT = re.compile(r"(?:^|[ `(])(scripts/[\w-]+)")
# Variables that a command of a line is given.
VARIABLES = r"(?:[A-Z_]+=\S+ )*"


def rule_of(block: Block) -> str | None:
    """The rule that covers an example, by its language and content."""
    text, first = block.text, block.first.strip()
    if block.language == "console":
        has_commands = any(line.startswith("$ ") for line in text.splitlines())
        return "console" if has_commands else "log" if first.startswith("{") else None
    if block.language == "bash":
        return "check" if "/_/inspect/" in text else None
    if block.language == "toml":
        return "wrangler routes" if "zone_name" in text else "configuration"
    if block.language == "json":
        if first.startswith('{ "replay"'):
            return "operator keys"
        if first.startswith('{ "tenant"'):
            return "tenant"
        if '"Principal"' in text:
            return "key policy"
        return "schema" if '"$schema"' in text else "samples" if '"violations"' in text else None
    if block.language == "hcl":
        return "terraform"
    if block.language == "yaml":
        return "scrape" if "scrape_configs" in text else None
    if block.language == "promql":
        return "promql"
    if block.language == "sql" or first.startswith("SELECT "):
        return "analytics" if "FROM headwater" in text else "sql"
    if block.language == "html" or first.startswith("<script"):
        return "html"
    if block.language == "python" or (block.language == "js" and "fetch(" in text):
        return "program"
    if block.language in ("ts", "kotlin", "swift"):
        return "typed"
    if block.language == "js" or first.startswith("headwater("):
        return "calls"
    if block.language not in ("indented", "text", "sh"):
        return None
    if block.language != "sh" and re.search("[▶─]", text):
        return "diagram"
    if first.startswith("HEADWATER."):
        return "mistake"
    if first.startswith((".dev.vars: ", "warning: ", "note: ")):
        return "finding"
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(re.match(rf"{VARIABLES}(scripts/|npx wrangler |cargo )", line) for line in lines):
        return "scripts"
    return None


def of(*rules: str) -> list[Any]:
    """The examples that these rules cover, as parameters."""
    its = [block for block in EXAMPLES if rule_of(block) in rules]
    return [pytest.param(each, id=each.where) for each in its]


def test_each_example_is_covered() -> None:
    uncovered = [
        f"{block.where}: no rule covers this {block.language or 'unnamed'} example, see {Path(__file__).name}: {block.first}"
        for block in EXAMPLES
        if rule_of(block) is None
    ]
    assert not uncovered, "\n".join(uncovered)
    # Each of the rules has something to look at.
    assert {"console", "log", "program", "configuration", "mistake", "finding", "schema", "samples", "sql", "analytics", "html", "calls", "scripts", "key policy", "terraform", "scrape", "promql"} <= {rule_of(block) for block in EXAMPLES}  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """Where the examples are run, and what they are run against."""

    directory: Path
    aws: LocalAws
    worker: Worker

    def check(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Runs a script to its end."""
        return subprocess.run(
            ["bash", "-c", self._as_here(block.text)],
            cwd=self.directory,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=600,
        )

    def run(self, block: Block) -> list[tuple[str, str, str]]:
        """Runs the commands of a console; gives each with what is shown and what it printed."""
        reported = commands(block.text)
        mark = "\x1e"
        script = "".join(
            f"{self._as_here(each.text)}\nprintf '%s%s%s' '{mark}' $? '{mark}'\n"
            for each in reported
        )
        ended = subprocess.run(
            ["bash", "-c", script],
            cwd=self.directory,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=600,
        )
        parts = ended.stdout.split(mark)
        where = block.where
        assert len(parts) == 2 * len(reported) + 1, f"{where}: {ended.stderr}{ended.stdout}"
        for each, code in zip(reported, parts[1::2], strict=True):
            assert code == "0", f"{where}: {each.text!r} ended with {code}: {ended.stderr}{ended.stdout}"  # fmt: skip
        return [
            (each.text, each.output, printed)
            for each, printed in zip(reported, parts[::2], strict=False)
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **environment(self.aws),
            "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/"),
            "CURL_HOME": str(self.directory),
            "HEADWATER_INSPECT_TOKEN": TOKEN,
            "HEADWATER_OPERATOR_KEY": OPERATOR_KEY,
            "WORKER": f"http://127.0.0.1:{self.worker.port}",
        }

    def _as_here(self, command: str) -> str:
        for host in HOSTS:
            command = command.replace(host, f"http://127.0.0.1:{self.worker.port}")
        for kind, name in (("data", "DATA_BUCKET"), ("failed", "FAILED_BUCKET")):
            command = command.replace(name, self.aws.outputs[BUCKET_OUTPUTS[kind]])
        command = command.replace("HEADWATER_OPERATOR_KEY=…", f"HEADWATER_OPERATOR_KEY={OPERATOR_KEY}")  # fmt: skip
        buckets = (self.aws.outputs[BUCKET_OUTPUTS[kind]] for kind in ("data", "failed"))
        both = " ".join(f"--source s3://{bucket}" for bucket in buckets)
        command = command.replace("--source local", both)
        records = f"{sys.executable} {ROOT}/scripts/aws/local_records.py --dir {self.aws.directory}"
        command = command.replace("scripts/dev records", records)
        return re.sub(r"(?<![\w/])scripts/(query|replay)\b", rf"{ROOT}/scripts/\1", command)  # fmt: skip


@pytest.fixture(scope="module")
def desk(
    aws: LocalAws, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("desk")
    (directory / ".curlrc").write_text(f'user-agent = "{IPHONE}"\nsilent\n')
    (directory / "bin").mkdir()
    for name, text in (("jq", JQ.format(sys.executable)), ("npx", NPX)):
        (directory / "bin" / name).write_text(text)
        (directory / "bin" / name).chmod(0o755)
    aws.clear()
    settings = {**PATIENT, "delivery": "sharded", "shards": 1, "log": {"success_rate": 1}}
    with Worker({**aws.environment(), **SECRETS, **SERVER_KEYS}, settings) as worker:
        answer = worker.post([ORDER, {"name": "Order Placed"}])
        assert [each["outcome"] for each in answer.verdicts] == ["accepted", "failed"]
        yield Desk(directory, aws, worker)


# Pages that only read have this to read.
ORDER = {"name": "order_placed", "device_id": "d-1", "url": "https://shop.example/", "props": {"total": 19.9, "currency": "CHF"}}  # fmt: skip
# The package that the partitions' tests have: no program of that name is a prerequisite.
JQ = """#!{}
import json, sys, jq
flags = "".join(word for word in sys.argv[1:] if word.startswith("-"))
(program,) = (word for word in sys.argv[1:] if not word.startswith("-"))
reported = jq.compile(program).input_text(sys.stdin.read()).all()
for each in reported:
    print(each if "r" in flags and isinstance(each, str) else json.dumps(each))
sys.exit("e" in flags and (not reported or reported[-1] in (None, False)))
"""
NPX = """#!/bin/sh
[ "$*" = "playwright test" ] || { echo "npx $*: no test runs this" >&2; exit 1; }
curl -f "$WORKER/v1/events" -H 'content-type: text/plain' \\
  -d '{"name":"order_placed","device_id":"ci","props":{"total":19.9,"currency":"CHF"}}'
"""


@pytest.mark.parametrize(
    "page", sorted({block.page for block in EXAMPLES if rule_of(block) == "console"})
)
def test_consoles_print_the_output_of_their_page(desk: Desk, page: str) -> None:
    """In the order of the page, since one reads what another has sent."""
    of_page = (block for block in EXAMPLES if block.page == page)
    for block in (block for block in of_page if rule_of(block) == "console"):
        for command in commands(block.text):
            check_words(block, command.text)
        if "a-copy" in block.text:
            copy(desk.aws, desk.directory / "a-copy")
        for command, shown, printed in desk.run(block):
            where = f"{block.where}: {command!r}"
            if shown:
                assert printed.strip(), f"{where} prints nothing"
            if shown.startswith("{"):
                check_shape(shown, printed, where)


@pytest.mark.parametrize("block", of("check"))
def test_checks_of_ci_pass(desk: Desk, block: Block) -> None:
    """What makes them fail is shown by tests/worker/test_inspector_epochs.py."""
    ended = desk.check(block)
    assert ended.returncode == 0, ended.stderr + ended.stdout


@pytest.mark.parametrize("block", of("program"))
def test_programs_run(desk: Desk, block: Block) -> None:
    text = block.text
    for host in HOSTS:
        text = text.replace(host, f"http://127.0.0.1:{desk.worker.port}")
    suffix, program = (".py", sys.executable) if block.language == "python" else (".mjs", str(PROGRAMS / "node"))  # fmt: skip
    file = desk.directory / f"program{suffix}"
    file.write_text(text)
    before = accepted(desk)
    ended = subprocess.run([program, file], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, f"{block.where}: {ended.stderr}"
    wait_until(
        lambda: accepted(desk) != before,
        SECONDS,
        lambda: f"{block.where}: nothing was accepted",
    )


def accepted(desk: Desk) -> int:
    """How many events the worker has accepted, by its log."""
    return sum(line.get("accepted", 0) for line in desk.worker.log_lines)


def check_words(block: Block, command: str) -> None:
    """The command is one that is run here, or its options exist."""
    functions = set(re.findall(r"^\$ (\w+)\(\)", block.text, re.MULTILINE))
    known = command.startswith(RUN) or re.match(r"\w+", command)[0] in functions  # type: ignore[index]
    assert known, f"{block.where}: {command!r} is not run by any rule"
    for script in SCRIPT.findall(command):
        check_options(block, script, command)


@cache
def help_of(script: str) -> str:
    """What a script prints as its help."""
    asked = subprocess.run([ROOT / script, "--help"], capture_output=True, text=True, timeout=SECONDS)  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


def check_options(block: Block, script: str, command: str) -> None:
    """The script is there, and its help has the options."""
    is_script = os.access(ROOT / script, os.X_OK) and (ROOT / script).is_file()
    assert is_script, f"{block.where}: {script} is no script"
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", command.split("#")[0]):
        known = re.search(rf"{option}(?![\w-])", f"--help {help_of(script)}")
        assert known, f"{block.where}: {script} knows no {option}"


def copy(aws: LocalAws, to: Path) -> None:
    """Copies the bucket of events."""
    s3, bucket = aws.client("s3"), aws.outputs[BUCKET_OUTPUTS["data"]]
    for each in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        path = to / each["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read())


def check_shape(shown: str, printed: str, where: str) -> None:
    """What is shown of JSON is in what was printed: as a whole or, with `…`, key by key."""
    reported = [json.loads(line) for line in printed.splitlines() if line.strip()]
    if "…" not in shown:
        pairs = [(json.loads(shown), reported[-1] if len(reported) == 1 else reported)]
        for expected, actual in pairs:
            assert shape(expected) == shape(actual), where
        return
    # Of each line that is shown there is one like it; the newest comes last.
    documents = re.split(r"\n(?=\{\"v\")", shown)
    for document, actual in zip(documents, reported[-len(documents) :], strict=True):
        values = list(pairs_of(actual))
        for name, text in re.findall(r'"(\w+)":("(?:[^"\\]|\\.)*"|-?[\d.]+|true|false)', document):  # fmt: skip
            expected = json.loads(text)
            alike = [value for key, value in values if key == name]
            assert alike, f"{where}: {name} is not in {actual}"
            if not VOLATILE.search(name):
                assert expected in alike, f"{where}: {name} is {alike}, not {expected!r}"


def pairs_of(value: Any) -> Iterator[tuple[str, Any]]:
    """The keys at any depth, with their values."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key, each
            yield from pairs_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from pairs_of(each)


def shape(value: Any, key: str = "") -> Any:
    """The value, with the types in place of what is another each time."""
    if isinstance(value, dict):
        return {name: shape(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each, key) for each in value]
    return type(value).__name__ if VOLATILE.search(key) else value


def test_lines_of_the_log_have_the_keys_that_are_shown(desk: Desk) -> None:
    answer = desk.worker.post([{"name": "page_view"}, {"name": "Page View"}])
    assert answer.status == 200
    line = desk.worker.wait_for_line(request="post", accepted=1, failed=1)
    shown = [block for block in EXAMPLES if rule_of(block) == "log"]
    for block in shown:
        for text in block.text.splitlines():
            assert list(json.loads(text)) == list(line), f"{block.where}"


@pytest.mark.parametrize("block", of("configuration"))
def test_configurations_are_valid_and_deliver(aws: LocalAws, block: Block) -> None:
    table = tomllib.loads(block.text)
    settings: dict[str, Any] = table.get("vars", {}).get("HEADWATER", table)
    streams = set(re.findall(r'"((?:firehose|kinesis):[\w.-]+)"', block.text))
    # Those that were renamed need not be there any more.
    streams -= settings.get("renamed_streams", {}).keys()
    for kind, _, name in (each.partition(":") for each in sorted(streams)):
        where = f"{block.where}: {kind}:{name}"
        if kind == "firehose":
            assert name.removeprefix("events-") in STREAMS, f"{where} is not of the template"  # fmt: skip
        else:
            made = f"KinesisStream={name}"
            assert made in block.after, f"{where}: the text after it does not say how it is made ({made})"  # fmt: skip

    origins = settings.get("origins", ["*"])
    headers = {"origin": origins[0].replace("*", "www")} if origins != ["*"] else {}
    # A small machine has no room for many shards, and a busy one is slow.
    small = {**PATIENT, "shards": 1}
    with Worker({**aws.environment(), **SECRETS}, {**settings, **small}) as worker:
        keys = settings.get("keys", {"": {}})
        for key, own in keys.items():
            its = [each.replace("*", "www") for each in own.get("origins", [])]
            more = {"origin": its[0]} if its else headers
            reported = worker.post({"name": "order_placed", "props": {"total": 1, "currency": "CHF"}}, more, f"?verdicts=1&key={key}")  # fmt: skip
            assert reported.status == 200, f"{block.where}: {reported}"
            assert reported.verdicts[0]["outcome"] in ("accepted", "dropped"), reported
        assert worker.get("/readyz").status == 200, f"{block.where}"


@pytest.mark.parametrize("block", of("tenant"))
def test_values_of_the_store_are_valid(block: Block, tmp_path: Path) -> None:
    text = (ROOT / "wrangler.toml").read_text()
    bound = text.replace("# [[kv_namespaces]]\n# binding", "[[kv_namespaces]]\nbinding", 1)
    (tmp_path / "wrangler.toml").write_text(bound)
    ended = subprocess.run(
        [ROOT / "target/debug/headwater-check", "--root", tmp_path, "--tenants"],
        input=json.dumps({"pk": json.loads(block.text)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), block.where


@pytest.mark.parametrize("block", of("wrangler routes"))
def test_routes_of_wrangler_are_of_addresses_that_it_has(block: Block) -> None:
    shown = tomllib.loads(block.text)
    for route in shown.pop("routes"):
        if route.get("custom_domain"):
            assert set(route) == {"pattern", "custom_domain"}
            assert "/" not in route["pattern"], "a custom domain is a whole host"
            continue
        assert set(route) <= {"pattern", "zone_name", "zone_id"}
        host = route["pattern"].split("/")[0]
        assert host == route["zone_name"] or host.endswith(f".{route['zone_name']}")
    # What stands around it is in wrangler.toml, in the same table.
    shipped = tomllib.loads((ROOT / "wrangler.toml").read_text(encoding="utf-8"))
    for name, value in shown.items():
        is_part = value.items() <= shipped[name].items() if isinstance(value, dict) else value == shipped[name]
        assert is_part, f"{block.where}: {name}"


@pytest.mark.parametrize("block", of("mistake"))
def test_a_mistake_is_answered_in_these_words(aws: LocalAws, block: Block) -> None:
    """Each sentence here has a configuration that is answered with it."""
    mistaken = re.fullmatch(r'HEADWATER\.routes\[0\]\.level must be .*, not "(\w+)"', block.text)  # fmt: skip
    assert mistaken, f"{block.where}: no rule makes this mistake"
    routes = [{"level": mistaken[1], "to": "firehose:events-low"}, {"to": "firehose:events-mid"}]  # fmt: skip
    with Worker(aws.environment(), {"routes": routes}) as worker:
        answer = worker.post({"name": "page_view"})
        assert answer.status == 503
        assert block.text in json.dumps(json.loads(answer.body), ensure_ascii=False).replace('\\"', '"')  # fmt: skip


# What is wrong in wrangler.toml where scripts/check says so.
WRONG = {
    ".dev.vars: AWS_SECRET": ("", ""),
    "warning: wrangler.toml: METRIC ": ('"METRICS"', '"METRIC"'),
    "note: wrangler.toml: METRICS ": (
        '[[analytics_engine_datasets]]\nbinding = "METRICS"\ndataset = "headwater"\n',
        "",
    ),
}


@pytest.mark.usefixtures("built_check")
@pytest.mark.parametrize("block", of("finding"))
def test_a_finding_is_one_of_scripts_check(block: Block, tmp_path: Path) -> None:
    (wrong,) = (wrong for start, wrong in WRONG.items() if block.text.startswith(start))
    shutil.copytree(ROOT / "www" / "schemas", tmp_path / "www" / "schemas")
    shipped = (ROOT / "wrangler.toml").read_text(encoding="utf-8")
    (tmp_path / "wrangler.toml").write_text(shipped.replace(*wrong), encoding="utf-8")
    (tmp_path / ".dev.vars").write_text("AWS_ACCESS_KEY_ID=key\n", encoding="utf-8")
    options = ["--dev"] if block.text.startswith(".dev.vars") else []
    ended = subprocess.run(
        [ROOT / "scripts" / "check", "--root", tmp_path, *options],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.stderr.splitlines() == [block.text]


@pytest.mark.parametrize("block", of("schema"))
def test_schemas_are_those_of_events(block: Block) -> None:
    """That the build compiles them is held by tests/schema/samples.rs."""
    schema = json.loads(block.text)
    assert re.fullmatch(r"/schemas/[a-z][a-z0-9_.]*\.json", schema["$id"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", schema["x-version"])


@pytest.mark.parametrize("block", of("operator keys"))
def test_operators_keys_have_the_roles_of_the_code(block: Block) -> None:
    """What each opens is held by tests/worker/test_operator_keys.py."""
    source = (ROOT / "src" / "config" / "operator_keys.rs").read_text()
    names = re.findall(r'Self::\w+ => "(\w+)"', source)
    assert set(json.loads(block.text)) == set(names)


@pytest.mark.parametrize("block", of("key policy"))
def test_a_keys_policy_is_for_the_services_that_use_it_in_their_own_name(block: Block) -> None:
    statements = {each["Principal"]["Service"]: each for each in json.loads(block.text)}
    assert set(statements) == {"logs.REGION.amazonaws.com", "cloudwatch.amazonaws.com"}
    log = template.document(ROOT / "scripts/aws/headwater.yaml")["Resources"]["DeliveryLog"]["Properties"]["LogGroupName"]
    limit = statements["logs.REGION.amazonaws.com"]["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]
    assert limit.endswith(":log-group:" + log["Fn::Sub"].replace("${StreamPrefix}", "PREFIX"))


@pytest.mark.parametrize("block", of("terraform"))
def test_a_call_of_the_terraform_module_sets_its_variables(block: Block) -> None:
    call = block.text.split('module "headwater" {')[1]
    given = set(re.findall(r"^  (\w+) += [^{]", call, re.MULTILINE)) - {"source"}
    variables = set(re.findall(r'^variable "(\w+)"', (ROOT / "scripts/aws/terraform/variables.tf").read_text(), re.MULTILINE))
    assert given and given <= variables


@pytest.mark.parametrize("block", of("scrape"))
def test_the_configuration_of_prometheus_names_the_address(block: Block) -> None:
    (job,) = yaml.safe_load(block.text)["scrape_configs"]
    assert f"`GET {job['metrics_path']}`" in (ROOT / "www/docs/http-api.md").read_text(encoding="utf-8")
    assert job["scheme"] == "https" and set(job["authorization"]) == {"credentials_file"}


@pytest.mark.parametrize("block", of("promql"))
def test_the_queries_of_prometheus_name_metrics_that_there_are(block: Block) -> None:
    used = re.findall(r"\bheadwater_(\w+)", block.text)
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "www/docs/metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert used and set(used) <= set(listed)
    assert all(used_in.endswith("_total") for used_in in re.findall(r"rate\(headwater_(\w+)", block.text))


@pytest.mark.parametrize("block", of("sql"))
def test_queries_answer_over_a_small_lake(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = {"v": 1, "deltas": [0, 10, 20, 16, 5, -5]}
    lake = deliver(
        tmp_path / "data",
        event(1, country="CH", props={"total": 19.9}, metadata={}),
        event(2, "pointer", country="CH", url="https://shop.example/", props=pointer, metadata={}),
        name="1.json",
    )  # fmt: skip
    for path in list(lake.rglob("*.json")):
        path.with_name("1.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(
            """CREATE VIEW events AS FROM read_json('data/stream=*/**/*.gz', format = 'newline_delimited',
               hive_partitioning = true, union_by_name = true, map_inference_threshold = -1)"""
        )
        for statement in filter(str.strip, re.split(r";\s*\n|\n\n(?=--|SELECT)", block.text)):  # fmt: skip
            rows = database.execute(statement).fetchall()
            assert rows, f"{block.where}: no rows of {statement}"


@pytest.mark.parametrize("block", of("analytics"))
def test_queries_of_analytics_engine_answer_over_points(block: Block) -> None:
    """Its dialect is ClickHouse's, of which the functions are put into DuckDB's words here."""
    blobs = [f"'{text}'" for text in ("request", "default", "post", "503", "no_room")]
    spilled = [f"'{text}'" for text in ("spill", "firehose:events-low", "0", "", "")]
    with duckdb.connect() as database:
        for number, texts in enumerate((blobs, spilled)):
            columns = [f"{text} AS blob{place}" for place, text in enumerate(texts, 1)]
            columns += [f"{place}.0 AS double{place}" for place in range(1, 17)]
            point = f"SELECT now() AS timestamp, 1 AS _sample_interval, {', '.join(columns)}"
            how = "CREATE TABLE headwater AS" if number == 0 else "INSERT INTO headwater"
            database.execute(f"{how} {point}")
        for statement in filter(str.strip, block.text.split("\n\n")):
            text = re.sub(r"quantileExactWeighted\(([\d.]+)\)\((\w+), \w+\)", r"quantile_disc(\2, \1)", statement)  # fmt: skip
            text = re.sub(r"toStartOfInterval\((\w+), (INTERVAL '\d+' \w+)\)", r"time_bucket(\2, \1)", text)  # fmt: skip
            text = re.sub(r"\bat\b", '"at"', text)
            assert database.execute(text).fetchall(), f"{block.where}: {statement}"


class _Tags(HTMLParser):
    """The scripts of a page: the attributes of each and its own text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "script", f"<{tag}> is no tag of the snippet"
        self.scripts.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.inline.append(data)


@pytest.mark.parametrize("block", of("html"))
def test_tags_have_only_attributes_that_the_snippet_reads(block: Block, tmp_path: Path) -> None:
    tags = _Tags(block.text)
    sources = "".join(path.read_text() for path in sorted((ROOT / "www/src").rglob("*.js")))  # fmt: skip
    for attributes in tags.scripts:
        for name, value in attributes.items():
            if name.startswith("data-"):
                for word in [name.removeprefix("data-"), *re.findall(r"[a-z]{5,}", value if name in ("data-auto", "data-chunks") and value else "")]:  # fmt: skip
                    assert re.search(rf"\b{word}\b", sources), f"{block.where}: {word}"  # fmt: skip
        if source := attributes.get("src"):
            assert re.search(r"/t(\.[0-9a-f]{8})?\.js$", source) and "async" in attributes
    for text in tags.inline:
        check_syntax(text, tmp_path)


@pytest.mark.parametrize("block", of("calls"))
def test_calls_are_commands_of_the_snippet(block: Block, tmp_path: Path) -> None:
    check_syntax(block.text, tmp_path)
    types = (ROOT / "www/t.d.mts").read_text()
    for name in re.findall(r'headwater\("(\w+)"', block.text):
        assert re.search(rf"\b{name}\b", types), f"{block.where}: {name}"


def check_syntax(text: str, tmp_path: Path) -> None:
    file = tmp_path / "example.js"
    file.write_text(text)
    subprocess.run(["node", "--check", file], check=True)


@pytest.mark.parametrize("block", of("scripts"))
def test_scripts_are_there_with_their_options(block: Block) -> None:
    for line in block.text.splitlines():
        command = re.split(r" {3,}|\s#", line)[0]
        if command.startswith("scripts/"):
            check_options(block, shlex.split(command)[0], command)
        elif command.startswith("npx"):
            words = shlex.split(command)[2:3]
            assert words[0] in ("login", "dev", "deploy", "secret", "kv", "tail", "rollback", "delete"), command
        elif command:
            given, cargo = re.fullmatch(rf"({VARIABLES})cargo (.*)", command).groups()  # type: ignore[union-attr]
            check_cargo(block, given, shlex.split(cargo))


def check_cargo(block: Block, given: str, words: list[str]) -> None:
    """The command exists, and so do its test and the variables that it is given."""
    assert words[0] in ("build", "test", "bench", "doc", "clippy", "fmt"), f"{block.where}: {words}"
    for option, name in zip(words, words[1:], strict=False):
        folders = {"--test": "tests", "--bench": "benches"}
        if option in folders:
            declared = re.search(rf'^name = "{name}"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
            is_there = declared or any((ROOT / folders[option] / file).exists() for file in (f"{name}.rs", f"{name}/main.rs"))
            assert is_there, f"{block.where}: there is no {option} {name}"
    readers = [ROOT / ".cargo/config.toml", *ROOT.glob("src/**/*.rs"), *ROOT.glob("tests/**/*.rs")]
    for variable in re.findall(r"([A-Z_]+)=", given):
        known = any(variable in path.read_text(encoding="utf-8") for path in readers)
        assert known, f"{block.where}: no program reads {variable}"


@pytest.mark.parametrize(
    "command",
    ["cargo frobnicate", "cargo test --test nowhere", "NO_SUCH_SEED=1 cargo test --test pipeline"],
)
def test_a_command_of_cargo_that_cannot_run_is_noticed(command: str) -> None:
    (block,) = blocks(f"```sh\n{command}\n```")
    assert rule_of(block) == "scripts"
    with pytest.raises(AssertionError):
        test_scripts_are_there_with_their_options(block)


# A path of the repository in inline code, perhaps with a pattern; one of an example that the reader makes is none.
PATH = re.compile(r"`((?:src|tests|scripts|www|build)/[\w./*-]+|wrangler\.toml|Cargo\.toml)`")
MADE = ("quiz_answered", "build/catalogue.bin")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_scripts_and_paths_in_the_text_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for path in PATH.findall(text):
        is_made = any(made in path for made in MADE)
        assert is_made or list(ROOT.glob(path)), f"{name_of(page)}: there is no {path}"
    inline = Block(name_of(page), "sh", "", 0, "")
    for command in re.findall(r"`(scripts/\w[^`]*)`", text):
        script = command.split()[0]
        if os.access(ROOT / script, os.X_OK) and (ROOT / script).is_file():
            check_options(inline, script, command)
        else:
            assert list(ROOT.glob(script)) or "NAME" in script, f"{inline.page}: {command}"  # fmt: skip


def test_the_runbook_names_the_keys_of_readyz(desk: Desk) -> None:
    key = {"authorization": f"Bearer {OPERATOR_KEY}"}
    answer = json.loads(desk.worker.get("/readyz", key).body)
    text = (ROOT / "www/docs/runbook.md").read_text(encoding="utf-8")
    # What is bound or set, and parts of a version, need no words.
    keys = {name for name, _ in pairs_of({**answer, "configured": 0, "version": 0})}
    assert {"summary", "streams", "buffer_bytes"} <= keys
    assert sorted(name for name in keys if f"`{name}`" not in text) == []


def test_endpoints_of_the_reference_exist(desk: Desk) -> None:
    text = (ROOT / "www/docs/http-api.md").read_text(encoding="utf-8")
    paths = re.findall(r"^\| `GET (/[\w./-]+)` \|", text, re.MULTILINE)
    assert len(paths) >= 8
    paths = [path.replace("EVENT", "order_placed") for path in paths]
    # What it answers without what it needs; a path that it does not have is a 404.
    for path in paths:
        assert desk.worker.get(path).status != 404, path


def rendered(root: Path, *words: str) -> tuple[int, str]:
    """How scripts/docs ends, and what it complains of."""
    ended = subprocess.run([root / "scripts/docs", *words], capture_output=True, text=True, timeout=SECONDS)  # fmt: skip
    return ended.returncode, ended.stderr


def test_links_of_all_pages_lead_somewhere() -> None:
    assert rendered(ROOT, "--check") == (0, "")


def test_a_wrong_link_is_noticed(tmp_path: Path) -> None:
    for folder in ("scripts", "www/docs", "src/docs", ".github"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "README.md").write_text("# Headwater\n\n[a](www/docs/shards.md#spell)\n")
    pages = tmp_path / "www/docs"
    (pages / "lost.md").write_text("# Lost\n\n[b](nowhere.md), [c](#lost), [d](../../LICENSE)\n")  # fmt: skip
    code, complaints = rendered(tmp_path, "--check")
    assert code == 1
    assert complaints.splitlines() == [
        "docs: lost.md: README.md lists it 0 times instead of once",
        "docs: www/docs/lost.md: nowhere.md leads nowhere",
        "docs: www/docs/lost.md: ../../LICENSE leads nowhere",
        "docs: README.md: www/docs/shards.md#spell has no such anchor",
    ]
    (pages / "lost.md").unlink()
    (pages / "gone.html").touch()
    assert rendered(tmp_path) == (0, "")
    assert (pages / "index.html").exists() and not (pages / "gone.html").exists()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("```console\n$ frobnicate\n```", "console"),
        ("```yaml\na: 1\n```", None),
        ("```\nplain\n```", None),
        ("```sh\nrm -rf /\n```", None),
        ("```text\nsome words\n```", None),
        ("```rust\nfn main() {}\n```", None),
        ('```json\n{"a": 1}\n```', None),
        ("text\n\n    some words\n", None),
        ("text\n\n    SELECT 1\n", "sql"),
        ("- a list\n    that goes on\n", "no example"),
    ],
)
def test_an_example_without_a_rule_is_noticed(text: str, rule: str | None) -> None:
    found = [rule_of(block) for block in blocks(text)]
    assert found == ([] if rule == "no example" else [rule])
    for block in blocks(text) if rule == "console" else []:
        with pytest.raises(AssertionError, match="README.md:1: 'frobnicate' is not run"):
            check_words(block, commands(block.text)[0].text)
