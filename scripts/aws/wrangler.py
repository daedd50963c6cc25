"""wrangler, and what its configuration says of the worker that it deploys.

A secret goes to it by its standard input, so that it is neither in a list of processes nor
in a file; what it prints is shown, and a secret is never in it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream_members import members

ROOT = Path(__file__).parents[2]
COMMAND = "HEADWATER_WRANGLER"
# There is no worker of this name yet, so that it has no secrets.
NO_WORKER = re.compile(r'Worker "[^"]*" not found')
# What a terminal takes for colours: wrangler writes them wherever it is.
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# It has no account: neither a token nor a login.
NO_LOGIN = re.compile(
    r"CLOUDFLARE_API_TOKEN|not logged in|Failed to fetch auth token", re.IGNORECASE
)
LOG_IN = "set CLOUDFLARE_API_TOKEN, or run npx wrangler login"
STREAM = re.compile(r'"((?:firehose|kinesis):[a-zA-Z0-9_.{}-]+)"')
DEFAULT_TENANT = "default"
RENAMED = "renamed_streams"


# What of the environment wrangler, its packages and the build get: an account of Cloudflare's, a toolchain and a way to
# the network. No key of AWS's is among it, and no key of the worker's.
PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TERM|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|XDG_\w+|CI"
    r"|(?:HTTPS?|ALL|NO)_PROXY|SSL_CERT_(?:FILE|DIR)|NODE_EXTRA_CA_CERTS"
    r"|CARGO\w*|RUST\w*|CC|CXX|AR|CFLAGS|CPATH|LIBRARY_PATH|LD_LIBRARY_PATH|PKG_CONFIG\w*|SDKROOT|DEVELOPER_DIR"
    r"|CLOUDFLARE_\w+|CF_\w+|WRANGLER_\w+|HEADWATER_CACHE"
)
OF_CLOUDFLARE = re.compile(r"(?:CLOUDFLARE|CF|WRANGLER)_\w+")
CREDENTIAL = re.compile(r"(?:TOKEN|SECRET|KEY|PASSWORD|CREDENTIALS?)(?:_\w+)?$")


class WranglerError(Exception):
    """Why wrangler could not do it, in its own last words."""


class Wrangler:
    """wrangler in the repository's root, for one of its environments.

    HEADWATER_WRANGLER names another command than `wrangler`.
    """

    def __init__(self, environment: str | None, *, shows: bool = True) -> None:
        self._shows = shows
        self._command = shlex.split(os.environ.get(COMMAND, "wrangler"))
        self._of_environment = ["--env", environment] if environment else []

    def secret_names(self) -> set[str]:
        """The names of the stored secrets; their values can't be read."""
        try:
            printed = self._run(["secret", "list", "--format", "json"])
        except WranglerError as error:
            if NO_WORKER.search(str(error)):
                return set()
            raise
        listed = json.loads(printed[printed.index("[") :])
        return {each["name"] for each in listed}

    def store_secrets(self, secrets: Mapping[str, str]) -> None:
        """Store secrets; those that are there and not named stay."""
        self._run(["secret", "bulk"], json.dumps(dict(secrets)))

    def deploy(self) -> list[str]:
        """Build and deploy the worker; returns the addresses that it was given."""
        with tempfile.TemporaryDirectory() as directory:
            output = Path(directory) / "output"
            self._run(["deploy"], shown=True, WRANGLER_OUTPUT_FILE_PATH=str(output))
            entries = map(json.loads, output.read_text().splitlines())
            targets = [each.get("targets") or [] for each in entries if each["type"] == "deploy"]  # fmt: skip
        return [target for each in targets for target in each]

    def try_deploy(self) -> None:
        """Build the worker and check it as `deploy` would, and deploy nothing."""
        self._run(["deploy", "--dry-run"], shown=True)

    def key_values(self, *arguments: str) -> str:
        """The output of a command for a key-value store."""
        return self._run(["kv", *arguments])

    def _run(
        self,
        arguments: list[str],
        given: str | None = None,
        shown: bool = False,
        **environment: str,
    ) -> str:
        """The output of the command; raises with its last words if it failed."""
        try:
            process = subprocess.Popen(
                [*self._command, *arguments, *self._of_environment],
                cwd=ROOT,
                env={**passed(os.environ), "NO_COLOR": "1", "WRANGLER_SEND_METRICS": "false", **environment},
                stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if shown else subprocess.PIPE,
                text=True,
            )  # fmt: skip
        except FileNotFoundError:
            raise WranglerError(f"{self._command[0]} is missing: run scripts/setup") from None  # fmt: skip
        if shown:
            assert process.stdout
            lines = []
            for line in process.stdout:
                lines.append(plain(line))
                if self._shows:
                    print(f"  {lines[-1]}", end="", flush=True)
            output, complaint = "".join(lines), ""
        else:
            output, complaint = map(plain, process.communicate(given))
        if process.wait() != 0:
            words = " ".join((complaint or output).split())[-1_000:]
            name = " ".join(["wrangler", *arguments])
            hint = f"; {LOG_IN}" if NO_LOGIN.search(words) else ""
            raise WranglerError(f"{name} failed: {words or 'no reason was reported'}{hint}")
        return output


def passed(environment: Mapping[str, str]) -> dict[str, str]:
    """What of `environment` wrangler gets."""
    return {
        name: value
        for name, value in environment.items()
        if PASSED.fullmatch(name.upper())
        and (OF_CLOUDFLARE.fullmatch(name) or not CREDENTIAL.search(name.upper()))
    }


def plain(text: str) -> str:
    """`text` without colours."""
    return ESCAPE.sub("", text)


class WorkerSettings:
    """What wrangler.toml says of the worker, for a deployment."""

    def __init__(
        self, environment: str | None, file: Path = ROOT / "wrangler.toml"
    ) -> None:
        configuration = tomllib.loads(file.read_text())
        if environment:
            configuration = configuration.get("env", {}).get(environment, {})
        variables: dict[str, Any] = configuration.get("vars", {})
        self.region: str | None = variables.get("AWS_REGION")
        # The table HEADWATER.
        self.table: dict[str, Any] = variables.get("HEADWATER", {})
        keys: dict[str, Any] = self.table.get("keys", {})
        self.write_key = next(iter(keys), None)
        self._tenant = keys.get(self.write_key, {}) if self.write_key else {}

    @property
    def tenant(self) -> str:
        """Whose events are sent with the write key."""
        return self._tenant.get("tenant", DEFAULT_TENANT)

    @property
    def origin(self) -> str | None:
        """A site that may send, if not all may."""
        origins = self._tenant.get("origins") or self.table.get("origins") or ["*"]
        return None if "*" in origins else origins[0]

    @property
    def takes_any_site(self) -> bool:
        """Whether a page of any site may send events."""
        tables = [self.table, *self.table.get("keys", {}).values()]
        return any("*" in each.get("origins", []) for each in tables)

    @property
    def streams(self) -> set[str]:
        """The streams that it writes to, each member of a set; not those that were renamed."""
        named = {key: value for key, value in self.table.items() if key != RENAMED}
        found = re.findall(STREAM, json.dumps(named))
        return {member for stream in found for member in members(stream)}
