"""Two empty accounts, and scripts/deploy in them.

AWS is a ministack with nothing in it, wrangler is itself, and the worker is the built one in
workerd, started with the secrets that wrangler stored. Only Cloudflare's API is a stand-in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import query_stack
from local_aws import REGION, TEMPLATE, client
from local_template import for_ministack
from ministack_process import HOST, MinistackProcess
from support import ROOT
from support.fake_cloudflare import FakeCloudflare

PROGRAMS = ROOT / "node_modules" / ".bin"
DEPLOY = ROOT / "scripts" / "aws" / "deploy.py"
from support.ports import free_port
from support.worker import Worker

SECONDS = 180
SECRETS = ("AWS_SECRET_ACCESS_KEY", "HEADWATER_HASH_SECRET", "HEADWATER_OPERATOR_KEY")
QUICK = ["BufferSizeMiB=1", "BufferIntervalSeconds=0", "FailedBufferIntervalSeconds=0"]


class FakeAccounts:
    """An empty AWS account, an empty Cloudflare account, and the worker's place in it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.home.mkdir()
        self._directory = directory
        self.aws = MinistackProcess(directory / "aws", REGION, 0)
        self.root = {
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": f"http://{HOST}:{self.aws.port}",
        }
        self.cloudflare = FakeCloudflare(self._run_worker)
        self.worker = Worker({})
        self.worker.port = free_port()
        self._runs = False

    def __enter__(self) -> FakeAccounts:
        self.aws.wait_until_it_answers()
        self.cloudflare.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.cloudflare.__exit__()
        if self._runs:
            self.worker.__exit__(None, None, None)
        self.aws.end()

    def _run_worker(self, secrets: dict[str, str]) -> None:
        """What Cloudflare does with new secrets: the worker starts anew with them."""
        endpoint = {"AWS_ENDPOINT_URL": self.root["AWS_ENDPOINT_URL"]}
        self.worker.env = {"AWS_REGION": REGION, **secrets, **endpoint}
        if self._runs:
            self.worker.kill()
            self.worker.restart()
        else:
            self.worker.__enter__()
            self._runs = True

    def deploy(
        self, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The command, with small buffers and the worker where it runs."""
        template = self._directory / "template.json"
        template.write_text(for_ministack(TEMPLATE))
        queries = self._directory / "queries.json"
        queries.write_text(for_ministack(query_stack.TEMPLATE))
        configuration = tomllib.loads((ROOT / "wrangler.toml").read_text())
        del configuration["build"]  # what is built is tested
        configuration["main"] = str(ROOT / "build" / "index.js")
        configuration["assets"]["directory"] = str(ROOT / "www")
        file = self._directory / "wrangler.json"
        file.write_text(json.dumps(configuration))
        quick = [word for each in QUICK for word in ("--parameter", each)]
        url = f"http://{HOST}:{self.worker.port}"
        result = subprocess.run(
            [
                sys.executable,
                DEPLOY,
                "--template",
                template,
                "--queries-template",
                queries,
                "--poll",
                "0.1",
                "--overlap",
                "1",
                "--url",
                url,
            ]
            + [*quick, *arguments],
            env={
                "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "AWS_EC2_METADATA_DISABLED": "true",
                "HEADWATER_WRANGLER": f"wrangler --config {file}",
                "CI": "1",
                **self.root,
                **self.cloudflare.environment(),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        for name in SECRETS:
            secret = self.cloudflare.secrets.get(name)
            assert not secret or secret not in result.stdout + result.stderr
        return result

    def client(self, service: str) -> Any:
        """A client that may do anything in AWS."""
        return client(service, self.root)

    def keys(self) -> list[str]:
        """The keys of all of the account's users."""
        iam = self.client("iam")
        return [
            key["AccessKeyId"]
            for user in iam.list_users()["Users"]
            for key in iam.list_access_keys(UserName=user["UserName"])[
                "AccessKeyMetadata"
            ]
        ]

    def stacks(self) -> list[str]:
        """The account's stacks, by name."""
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        return [each["StackName"] for each in stacks]
