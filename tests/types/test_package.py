"""The snippet as an npm package, and the samples that load it: packed, installed and compiled as a site would."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from support import ROOT
from support.waiting import wait_until

SECONDS = 300
BIN = ROOT / "node_modules" / ".bin"
WWW = ROOT / "www"
NEXT = ROOT / "samples" / "next"
OPTIONS = ["--noEmit", "--strict", "--lib", "es2022,dom", "--types", ""]
FILES = {"package.json", "README.md", "LICENSE", "t.js", "t.auto.js", "t.pointer.js", "t.video.js", "t.vitals.js", "t.mjs", "t.d.mts", "types/events.d.ts"}  # fmt: skip

CALLS = """
import { start, type Headwater } from "headwater-snippet";
import type { HeadwaterEvent } from "headwater-snippet/events";

const headwater: Headwater = start({ src: "https://c.example/t.js", key: "pk_1" });
headwater("track", "order_placed", { total: 19.9, currency: "CHF" });
// @ts-expect-error: a member is missing
headwater("track", "order_placed", { total: 19.9 });
// @ts-expect-error: the address of the script is missing
start({ key: "pk_1" });
export const event: HeadwaterEvent = { name: "page_view" };
"""
# Without the types of a catalogue, any event is taken.
UNTYPED = """
import { start } from "headwater-snippet";

const headwater = start({ src: "https://c.example/t.js" });
headwater("track", "order_placed", { total: 19.9 });
headwater("track", "anything");
// @ts-expect-error: an event has a name
headwater("track");
"""


def run(*command: str | Path, cwd: Path) -> str:
    ended = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    run("npm", "pack", WWW, "--pack-destination", folder, cwd=folder)
    (file,) = folder.iterdir()
    return file


def installed(tarball: Path, folder: Path) -> Path:
    """A project with nothing but the package."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{ "name": "shop", "private": true, "type": "module" }')
    run("npm", "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball, cwd=folder)
    return folder


def test_the_package_has_what_a_site_needs_and_no_more(tarball: Path) -> None:
    with tarfile.open(tarball) as tar:
        names = {each.removeprefix("package/") for each in tar.getnames()}
        manifest = json.loads(tar.extractfile("package/package.json").read())  # type: ignore[union-attr]
        licence = tar.extractfile("package/LICENSE").read()  # type: ignore[union-attr]
    assert names == FILES
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert manifest["version"] == tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    assert "dependencies" not in manifest and "scripts" not in manifest


@pytest.mark.parametrize("resolution", [["--module", "esnext", "--moduleResolution", "bundler"], ["--module", "nodenext"]])
@pytest.mark.parametrize("calls", [CALLS, UNTYPED])
def test_an_installed_package_is_typed(tarball: Path, tmp_path: Path, resolution: list[str], calls: str) -> None:
    project = installed(tarball, tmp_path / "shop")
    (project / "calls.mts").write_text(calls)
    run(BIN / "tsc", *OPTIONS, *resolution, "calls.mts", cwd=project)


def test_a_server_can_load_the_module_and_find_the_scripts(tarball: Path, tmp_path: Path) -> None:
    """A site that is rendered on a server loads it there too."""
    project = installed(tarball, tmp_path / "shop")
    (project / "load.mjs").write_text(
        'import { start } from "headwater-snippet";\nconst at = (name) => import.meta.resolve(`headwater-snippet/${name}`);\n'
        'console.log(typeof start, ["t.js", "t.vitals.js", "package.json"].map(at).join(" "));\n'
    )
    printed = run("node", "load.mjs", cwd=project).split()
    assert printed[0] == "function"
    assert all(Path(each.removeprefix("file://")).is_file() for each in printed[1:])


@pytest.fixture(scope="module")
def sample(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """samples/next with the packed snippet, and with React instead of Next.js, which has 200 MB."""
    folder = installed(tarball, tmp_path_factory.mktemp("next") / "site")
    shutil.copytree(NEXT / "app", folder / "app")
    shutil.copy(NEXT / "tsconfig.json", folder)
    react = run("bash", "-c", ". scripts/tools.sh; npm_packages tests/types/react", "scripts/test", cwd=ROOT).splitlines()[-1]
    for package in Path(react, "node_modules").iterdir():
        if not package.name.startswith("."):
            (folder / "node_modules" / package.name).symlink_to(package)
    return folder


def test_the_next_sample_is_typed(sample: Path) -> None:
    run(BIN / "tsc", "-p", ".", cwd=sample)
    buy = sample / "app" / "buy.tsx"
    text = buy.read_text()
    buy.write_text(text.replace('currency: "CHF", ', ""))
    ended = subprocess.run([BIN / "tsc", "-p", "."], cwd=sample, capture_output=True, text=True, check=False)
    buy.write_text(text)
    assert "Property 'currency' is missing" in ended.stdout


def test_the_next_sample_asks_for_the_package_in_this_repository() -> None:
    dependencies = json.loads((NEXT / "package.json").read_text())["dependencies"]
    assert (NEXT / dependencies["headwater-snippet"].removeprefix("file:")).resolve() == WWW
    of_test = json.loads((ROOT / "tests/types/react/package.json").read_text())["dependencies"]
    assert {name: of_test[name] for name in ("react", "react-dom")} == {name: dependencies[name] for name in ("react", "react-dom")}


class Collector(BaseHTTPRequestHandler):
    """A site, and a collector that keeps what it is sent."""

    bodies: ClassVar[list[dict[str, Any]]] = []
    paths: ClassVar[list[str]] = []
    files: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        Collector.paths.append(self.path)
        name = self.path.split("?")[0]
        script = re.sub(r"\.[0-9a-f]{8}\.js$", ".js", name)
        text = Collector.files.get(name) or ((WWW / script[1:]).read_text() if re.fullmatch(r"/t[.\w]*\.js", script) else "")
        self._answer(200 if text else 404, "text/javascript" if ".js" in name else "text/html", text)

    def do_POST(self) -> None:
        Collector.paths.append(self.path)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Collector.bodies.extend(body["events"])
        self._answer(204, "text/plain", "")

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        if status != 204:
            self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def site() -> Iterator[str]:
    Collector.bodies.clear()
    Collector.paths.clear()
    Collector.files.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


VISIT = """
import { chromium } from "playwright-core";
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage();
const thrown = [];
page.on("pageerror", (error) => thrown.push(`${error}`));
await page.goto(process.argv[2]);
if (process.argv[3]) await page.click(process.argv[3]);
await page.waitForTimeout(1_500);
await browser.close();
console.log(JSON.stringify(thrown));
"""
needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is missing: install Debian's chromium")


def visit(site: str, press: str = "") -> None:
    """Opens the page in Chromium, presses what is named, and waits for the events to be sent."""
    printed = run("node", "--input-type=module", "-e", VISIT, "-", site, press, cwd=ROOT)
    assert json.loads(printed) == []


def sent() -> dict[str, Any]:
    return {each["name"]: each.get("props") for each in Collector.bodies}


@needs_chromium
def test_the_next_sample_sends_events(sample: Path, site: str) -> None:
    (sample / "main.tsx").write_text(
        'import { createRoot } from "react-dom/client";\nimport { StrictMode } from "react";\nimport Page from "./app/page";\n'
        'import { Collector } from "./app/headwater";\n'
        'createRoot(document.getElementById("root")!).render(<StrictMode><Collector /><Page /></StrictMode>);\n'
    )
    define = f'--define:process.env.NEXT_PUBLIC_HEADWATER="{site}/t.js"'
    script = run(BIN / "esbuild", "main.tsx", "--bundle", "--jsx=automatic", "--log-level=error", define, '--define:process.env.NODE_ENV="development"', cwd=sample)  # fmt: skip
    Collector.files.update({"/": '<!doctype html><title>shop</title><div id="root"></div><script src="/main.js"></script>', "/main.js": script})

    visit(site, "button")

    wait_until(lambda: "order_placed" in sent(), 10, lambda: f"sent: {sent()}")
    assert sent()["order_placed"] == {"total": 19.9, "currency": "CHF", "lines": [{"sku": "kettle-1", "quantity": 1, "price": 19.9}]}
    # React's strict mode runs each effect twice.
    assert sum(each["name"] == "page_view" for each in Collector.bodies) == 1


def sections() -> dict[str, str]:
    """The parts of the template for Google Tag Manager."""
    parts = re.split(r"^___([A-Z_]+)___\n", (ROOT / "samples/gtm/template.tpl").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_tag_template_has_all_parts_and_permits_what_it_does() -> None:
    parts = sections()
    assert list(parts) == ["INFO", "TEMPLATE_PARAMETERS", "SANDBOXED_JS_FOR_WEB_TEMPLATE", "WEB_PERMISSIONS", "TESTS", "NOTES"]
    info, parameters, permissions = (json.loads(parts[name]) for name in ("INFO", "TEMPLATE_PARAMETERS", "WEB_PERMISSIONS"))
    assert info["type"] == "TAG" and info["containerContexts"] == ["WEB"]
    code = parts["SANDBOXED_JS_FOR_WEB_TEMPLATE"]
    assert set(re.findall(r"data\.(\w+)", code)) - {"gtmOnSuccess", "gtmOnFailure"} == {each["name"] for each in parameters}
    granted = {each["instance"]["key"]["publicId"]: each["instance"]["param"][0]["value"]["listItem"] for each in permissions}
    assert granted.keys() == {"access_globals", "inject_script"}
    assert granted["inject_script"] == [{"type": 1, "string": "https://c.example/*"}]
    queue = re.search(r"createArgumentsQueue\('(\S+)', '(\S+)'\)", code)
    assert queue and [each["mapValue"][0]["string"] for each in granted["access_globals"]] == list(queue.groups())


# Google's sandbox, as its reference describes these functions; no Google is needed.
SANDBOX = """
const queue = (name, at) => window[name] ??= Object.assign(function () {{ (window[name].q ??= []).push(arguments); }}, {{ q: [] }});
const apis = {{
  createArgumentsQueue: (name, at) => queue(name, at) && ((...call) => window[name](...call)),
  encodeUriComponent: encodeURIComponent,
  makeTableMap: (rows, name, value) => Object.fromEntries(rows.map((row) => [row[name], row[value]])),
  injectScript: (url, done, failed) => {{
    const script = document.createElement("script");
    Object.assign(script, {{ src: url.replace("https:", "http:"), async: true, onload: done, onerror: failed }});
    document.head.append(script);
  }},
}};
new Function("require", "data", {code})((name) => apis[name], {{ ...{data}, gtmOnSuccess() {{}}, gtmOnFailure() {{ throw new Error("no script"); }} }});
"""


@needs_chromium
def test_the_tag_template_loads_the_snippet_with_the_key_and_sends_its_event(site: str) -> None:
    code = sections()["SANDBOXED_JS_FOR_WEB_TEMPLATE"]
    data = {"host": site.removeprefix("http://"), "key": "pk_1", "auto": "engagement", "event": "click", "props": [{"name": "target", "value": "nav.cart"}]}
    script = SANDBOX.format(code=json.dumps(code), data=json.dumps(data))
    Collector.files.update({"/": "<!doctype html><title>shop</title><script src=/tag.js></script>", "/tag.js": script})

    visit(site)

    wait_until(lambda: "click" in sent(), 10, lambda: f"sent: {sent()}")
    assert sent()["click"] == {"target": "nav.cart"}
    assert any(path.startswith("/t.js?key=pk_1&auto=engagement") for path in Collector.paths)
    # The chunk for automatic events was loaded, and the key went into the address of the events.
    assert any(re.fullmatch(r"/t\.auto\.[0-9a-f]{8}\.js", path) for path in Collector.paths)
    assert any(path.startswith("/v1/events?key=pk_1") for path in Collector.paths)
