#!/usr/bin/env python3
"""Deploys Headwater: the stack in AWS, the worker, its secrets; and proves it with one event.

scripts/deploy has its options.

Each step does only what is missing, so that it can be run again after any failure. AWS is
reached as boto3 does it (AWS_PROFILE, AWS_ENDPOINT_URL and so on), in the region that
wrangler.toml names; Cloudflare is reached as wrangler does it.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions

sys.path.append(str(Path(__file__).parents[1] / "lake"))

from command_line import DONE, Parser, WrongUse, add_output, let_reader_leave, run, show_progress, waiting  # noqa: E402
from unconfigured_streams import BacklogUnknownError, dropped, forgotten, warning, warning_of_forgotten  # noqa: E402
from smoke_test import SmokeTest, SmokeTestError, Place  # noqa: E402
from stack import TEMPLATE, Change, Stack, StackError  # noqa: E402
import health_stack  # noqa: E402
import own_streams  # noqa: E402
import query_stack  # noqa: E402
import stream_members  # noqa: E402
import template  # noqa: E402
from worker_key import NAMES, WorkerKeyError, WorkerKeys  # noqa: E402
from wrangler import ROOT, WorkerSettings, Wrangler, WranglerError  # noqa: E402

SALT = "HEADWATER_HASH_SECRET"
SALT_BYTES = 32
# The operator has to know it, so it is not minted: it is stored where it is in the environment.
OPERATOR_KEY = "HEADWATER_OPERATOR_KEY"
OPERATOR_KEY_CHARS = 32
# An object that is awake takes over what is deployed within five minutes:
# https://developers.cloudflare.com/durable-objects/deployments/durable-objects-code-updates/
OVERLAP_SECONDS = 360
STREAM_OUTPUTS = (*stream_members.LEVELS, "FailedStream")
AWS_PROBLEMS = (
    StackError,
    template.TemplateError,
    WorkerKeyError,
    own_streams.OwnStreamsError,
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,
)
PROBLEMS = (*AWS_PROBLEMS, WranglerError, SmokeTestError)
NO_CREDENTIALS = (
    botocore.exceptions.NoCredentialsError,
    botocore.exceptions.PartialCredentialsError,
)


class DeployError(Exception):
    """What has to be corrected first, in one sentence."""


class Deployment:
    """One run of the command."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.settings = WorkerSettings(arguments.env)
        if not self.settings.region:
            raise DeployError(
                "AWS_REGION is missing among the variables of wrangler.toml"
            )
        self.operator_key = os.environ.get(OPERATOR_KEY)
        if self.operator_key and len(self.operator_key) < OPERATOR_KEY_CHARS:
            raise WrongUse(
                f"{OPERATOR_KEY} must have {OPERATOR_KEY_CHARS} characters or more: `openssl rand -hex 32`"
            )
        self.parameters = dict(arguments.parameter)
        self.template = template.body(arguments.template)
        self.queries_template = template.body(arguments.queries_template)
        self.wrangler = Wrangler(arguments.env, shows=not _is_quiet)
        self.stack = self.beside("")
        self.queries = self.beside("-queries")
        self.health_parameters = {
            name: self.parameters.pop(name)
            for name in health_stack.PARAMETERS
            if name in self.parameters
        }
        self.per_level: str | None = self.parameters.pop(stream_members.PER_LEVEL, None)
        if self.per_level not in (None, *stream_members.ALLOWED):
            raise WrongUse(
                f"{stream_members.PER_LEVEL} must be one of {', '.join(stream_members.ALLOWED)}, not {self.per_level}"
            )
        # The members of stream sets, if there are any.
        self.members = self.beside("-streams")
        # The main stack has the names of the Firehose streams too, for its tables.
        self.own_lists = {
            name: self.parameters[name] for name in own_streams.SERVICES.values() if name in self.parameters
        }
        self.parameters.pop(own_streams.KINESIS, None)
        self.own = self.beside("-own")
        if health_stack.TOPIC in self.health_parameters and health_stack.HOST not in self.health_parameters:
            raise WrongUse(f"{health_stack.TOPIC} needs {health_stack.HOST}, the host whose /readyz is checked")

    def beside(self, ending: str, region: str | None = None) -> Stack:
        """The stack of this deployment with such an ending of its name, in the region of the settings or another."""
        arguments = self.arguments
        return Stack(
            self.client("cloudformation", region=region),
            f"{arguments.stack}{ending}",
            arguments.poll,
            dict(arguments.tag),
            arguments.role,
        )

    def client(
        self, service: str, key: dict[str, str] | None = None, region: str | None = None
    ) -> Any:
        """A client of AWS, with the operator's own key or with another."""
        key_id, secret = (key[name] for name in NAMES) if key else (None, None)
        return boto3.client(
            service,
            region_name=region or self.settings.region,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
        )

    def plan(self) -> dict[str, Any]:
        """Show and return what `run` would do; raise if AWS or Cloudflare did not answer."""
        self.warn_of_open_origins()
        unknown: list[str] = []
        planned: list[Change] = []
        missing: list[str] = []
        outputs: dict[str, str] = {}
        per_level = self.per_level
        own = self.own_lists
        try:
            self.say_what_a_format_changes()
            own = self.wanted_own()
            changes = self.stack.plan(self.template, self.parameters)
            show(self.stack, changes, self.settings.region)
            planned += changes
            protection = self.wanted_protection(self.stack)
            if protection is not None:
                say(f"its deletion would be {'refused' if protection else 'allowed'}")
            changes = self.queries.plan(*self.queries_with_parameters())
            show(self.queries, changes, self.settings.region)
            planned += changes
            outputs = self.stack.outputs()
            per_level = self.wanted_per_level()
            if per_level and outputs:
                changes = self.members.plan(*self.members_template(per_level, outputs))
                show(self.members, changes, self.settings.region)
                planned += changes
            elif per_level:
                say(f"the stack {self.members.name} would get {per_level} streams for each level")
            if own_streams.of_stack(own) and all(name in outputs for name in own_streams.OUTPUTS):
                changes = self.own.plan(*self.own_template(own, outputs))
                show(self.own, changes, self.settings.region)
                planned += changes
            elif own_streams.of_stack(own):
                say(f"the stack {self.own.name} would get {', '.join(sorted(own_streams.of_stack(own)))}")
        except AWS_PROBLEMS as error:
            unknown.append(f"the stack: {sentence(error)}")
        try:
            if self.health_parameters:
                health = self.beside("-health", health_stack.REGION)
                changes = health.plan(template.body(health_stack.TEMPLATE), self.health_parameters)
                show(health, changes, health_stack.REGION)
                planned += changes
        except AWS_PROBLEMS as error:
            unknown.append(f"the health check: {sentence(error)}")
        if outputs:
            self.check_streams(outputs, per_level, own)
        self.warn_of_dropped(self.arguments.url)
        say("wrangler deploy --dry-run")
        self.wrangler.try_deploy()
        try:
            missing = self.missing_secrets(outputs)
            say(f"secrets to be made and stored: {', '.join(missing) or 'none'}")
        except (WranglerError, *AWS_PROBLEMS) as error:
            unknown.append(f"the secrets: {sentence(error)}")
        say(f"last, an event would be sent to {self.arguments.url or 'the worker'} and looked for in S3")  # fmt: skip
        say("this was a dry run: nothing is changed")
        if unknown:
            raise DeployError(
                "the dry run is incomplete: "
                + "; ".join(unknown)
            )
        return {"changes": [change._asdict() for change in planned], "secrets": missing}

    def run(self) -> dict[str, Any]:
        """Do all of it; returns where the worker is, and what changed."""
        self.warn_of_open_origins()
        say(
            f"the stack {self.stack.name} in {self.settings.region}: the first time takes some minutes"
        )
        self.say_what_a_format_changes()
        own = self.wanted_own()
        protection = self.wanted_protection(self.stack)
        with waiting("the stack is made or changed"):
            changes = self.stack.apply(self.template, self.parameters)
        say(f"the stack is up to date, {len(changes)} changes")
        applied = list(changes)
        protect(self.stack, protection)
        outputs = self.stack.outputs()
        with waiting("the saved queries are made or changed"):
            changes = self.queries.apply(*self.queries_with_parameters())
        say(f"the stack {self.queries.name} is up to date, {len(changes)} changes")
        applied += changes
        per_level = self.wanted_per_level()
        if per_level:
            protection = self.wanted_protection(self.members)
            with waiting("the streams are made or changed"):
                changes = self.members.apply(*self.members_template(per_level, outputs))
            applied += changes
            say(f"the stack {self.members.name} is up to date, {len(changes)} changes")
            protect(self.members, protection)
        if own_streams.of_stack(own):
            protection = self.wanted_protection(self.own)
            with waiting("streams of your own are made or changed"):
                changes = self.own.apply(*self.own_template(own, outputs))
            applied += changes
            say(f"the stack {self.own.name} is up to date, {len(changes)} changes")
            protect(self.own, protection)
        self.check_streams(outputs, per_level, own)
        applied += self.make_health_check()
        if self.arguments.url:
            self.warn_of_dropped(self.arguments.url)
        say("wrangler deploy")
        addresses = self.wrangler.deploy()
        url = self.arguments.url or address(addresses)
        if not self.arguments.url:
            self.warn_of_dropped(url)
        keys = WorkerKeys(self.client("iam"), outputs["WorkerUserName"])
        minted = self.store_secrets(outputs, keys)
        event = self.prove(url, outputs, own_streams.names(own.get(own_streams.FIREHOSE)))
        if minted and self.arguments.rotate:
            self.retire(keys, keys.all_but(minted))
        say(f"{url} is up")
        return {"url": url, "changes": [change._asdict() for change in applied], "event": event}

    def retire(self, keys: WorkerKeys, retired: list[str]) -> None:
        """Delete keys once no object signs with them."""
        overlap = self.arguments.overlap
        if retired:
            say(f"the old key is deleted in {overlap:.0f} s: running objects may still sign with it")  # fmt: skip
            time.sleep(overlap)
        for each in retired:
            keys.delete(each)
            say(f"the key {each} is deleted")

    def wanted_protection(self, stack: Stack) -> bool | None:
        """Whether the deletion of a stack with streams is to be refused; None if that stays as it is."""
        asked: bool | None = self.arguments.protection
        return asked if asked is not None or stack.exists else True

    def queries_with_parameters(self) -> tuple[str, dict[str, str]]:
        """The template of the stack of the saved queries, and its parameters."""
        return self.queries_template, query_stack.parameters(self.stack.parameters() | self.parameters)

    def make_health_check(self) -> list[Change]:
        """Make the stack of the health check, or bring it up to date, if it is asked for; returns what changed."""
        if not self.health_parameters:
            return []
        health = self.beside("-health", health_stack.REGION)
        with waiting("the health check is made or changed"):
            changes = health.apply(template.body(health_stack.TEMPLATE), self.health_parameters)
        say(f"the stack {health.name} in {health_stack.REGION} is up to date, {len(changes)} changes")
        return changes

    def wanted_per_level(self) -> str | None:
        """How many members each level's stream set has after this; nothing without sets."""
        before = self.members.outputs().get(stream_members.PER_LEVEL)
        after = self.per_level or before
        if before and after and int(after) < int(before):
            raise DeployError(
                f"{stream_members.PER_LEVEL} can't go from {before} to {after}: Firehose deletes a stream with all that it"
                " has not delivered. A stream without records costs nothing: let the routes name fewer"
            )
        return after if after and int(after) > 1 else None

    def wanted_own(self) -> dict[str, str]:
        """The operator's own streams after this, by parameter. Also has the tables describe what each stream has."""
        before = {name: text for name, text in self.own.outputs().items() if name in own_streams.SERVICES.values()}
        outputs = self.stack.outputs()
        taken = {f"firehose:{outputs[name]}" for name in STREAM_OUTPUTS if name in outputs}
        if STREAM_OUTPUTS[0] in outputs:
            taken |= stream_members.of_stack(outputs, stream_members.ALLOWED[-1])
        taken.add(f"kinesis:{self.kinesis_stream(outputs)}")
        own = own_streams.checked(before | self.own_lists, before, taken)
        firehose = own_streams.names(own.get(own_streams.FIREHOSE))
        self.parameters[own_streams.NOTES] = own_streams.notes(self.settings.table, firehose)
        return own

    def own_template(self, own: dict[str, str], outputs: dict[str, str]) -> tuple[str, dict[str, str]]:
        """The template of the stack of the operator's own streams, and its parameters."""
        missing = [name for name in own_streams.OUTPUTS if name not in outputs]
        if missing:
            raise StackError(f"the stack {self.stack.name} has no output {missing[0]}: bring it up to date first")
        of_other = self.stack.parameters() | self.parameters
        return template.body(own_streams.TEMPLATE), own_streams.parameters(own, outputs, of_other)

    def kinesis_stream(self, outputs: dict[str, str]) -> str | None:
        """The Kinesis stream of the stack. A dry run reads the outputs of the stack as it is; this parameter decides."""
        return self.parameters.get("KinesisStream", outputs.get("KinesisStreamName"))

    def members_template(
        self, per_level: str, outputs: dict[str, str]
    ) -> tuple[str, dict[str, str]]:
        """The template of the stack of the members, and its parameters."""
        missing = [name for name in stream_members.OUTPUTS if name not in outputs]
        if missing:
            raise StackError(f"the stack {self.stack.name} has no output {missing[0]}: bring it up to date first")
        of_other = self.stack.parameters() | self.parameters
        parameters = stream_members.parameters(per_level, outputs, of_other)
        return template.body(stream_members.TEMPLATE), parameters

    def check_streams(
        self, outputs: dict[str, str], per_level: str | None = None, own: Mapping[str, str] = {}  # noqa: B006 (never changed)
    ) -> None:
        """Say which streams the worker writes to and may not."""
        known = {f"firehose:{outputs[name]}" for name in STREAM_OUTPUTS}
        known |= stream_members.of_stack(outputs, per_level)
        known |= own_streams.of_stack(own)
        known.add(f"kinesis:{self.kinesis_stream(outputs)}")
        strange = self.settings.streams - known
        if strange:
            raise DeployError(
                f"wrangler.toml sends events to {', '.join(sorted(strange))}, which is not of"
                f" the stack {self.stack.name}: correct HEADWATER.routes or HEADWATER.failed_stream, make a stream set"
                f" with --parameter {stream_members.PER_LEVEL}=N, or make streams of your own with"
                f" {own_streams.options_for(strange, own)}"
            )

    def warn_of_open_origins(self) -> None:
        """Warn if pages of any site may send events."""
        if self.settings.takes_any_site:
            say('warning: HEADWATER.origins has "*", so pages of any site may send events: name your sites')

    def say_what_a_format_changes(self) -> None:
        """Say where events will be, if what is in S3 has another format than what will be written."""
        before = self.stack.parameters().get("Format")
        after = self.parameters.get("Format", before)
        if before and after != before:
            say(
                f"Format changes from {before} to {after}: new events get a prefix and a table of their own. The view"
                " events_full and the saved queries of Athena read both, and so does scripts/query"
            )
        # Earlier versions had one table for both formats, and no such output.
        if before == "parquet" and "ReaderPolicyArn" not in self.stack.outputs():
            warn(
                "warning: the Parquet objects that are there are not below format=parquet/, where the table events_parquet"
                ' looks, and they break queries of the table events: move them, see "Change the format" in www/docs/deploy.md'
            )

    def warn_of_dropped(self, url: str | None) -> None:
        """Warn of records that wait for dropped streams and of forgotten shards, or say why the worker could not be asked."""
        try:
            if not url:
                raise BacklogUnknownError("name the worker's address with --url")
            moved = forgotten(url, self.settings.table)
            waiting = dropped(url, self.settings.streams)
        except BacklogUnknownError as error:
            warn(f"can't check for records of streams that are no longer named: {error}")  # fmt: skip
            return
        if moved:
            warn(warning_of_forgotten(moved))
        if waiting:
            warn(warning(waiting))

    def missing_secrets(self, outputs: dict[str, str]) -> list[str]:
        """The names of the secrets that have to be made, or are given and not stored yet.

        What is stored can't be read back; that it works is proved by the event.
        """
        stored = self.wrangler.secret_names()
        wanted = (*NAMES, SALT, OPERATOR_KEY) if self.operator_key else (*NAMES, SALT)
        missing = [name for name in wanted if name not in stored]
        user = outputs.get("WorkerUserName")
        signs = user and WorkerKeys(self.client("iam"), user).active()
        if self.arguments.rotate or not signs or any(name in missing for name in NAMES):
            missing = [*NAMES, *(name for name in missing if name not in NAMES)]
        return missing

    def store_secrets(self, outputs: dict[str, str], keys: WorkerKeys) -> str | None:
        """Make and store what is missing; returns the id of the key if one was minted."""
        missing = self.missing_secrets(outputs)
        made: dict[str, str] = {}
        if NAMES[0] in missing:
            retired = keys.make_room() if self.arguments.rotate else None
            if retired:
                say(f"the key {retired} is deleted to make room")
            made |= keys.mint(self.client)
            say(f"the key {made[NAMES[0]]} is minted for {outputs['WorkerUserName']}")
        if SALT in missing:
            made[SALT] = secrets.token_hex(SALT_BYTES)
        if OPERATOR_KEY in missing and self.operator_key:
            made[OPERATOR_KEY] = self.operator_key
        if made:
            try:
                self.wrangler.store_secrets(made)
            except BaseException:
                if NAMES[0] in made:
                    keys.delete(made[NAMES[0]])
                raise
        say(f"secrets stored: {', '.join(made) or 'none was missing'}")
        return made.get(NAMES[0])

    def prove(self, url: str, outputs: dict[str, str], own: list[str]) -> dict[str, str]:
        """Send an event and wait until it is in S3; returns where."""
        firehose = self.client("firehose")
        *levels, failed = (Place.of_stream(firehose, outputs[name]) for name in STREAM_OUTPUTS)  # fmt: skip
        levels += (Place.of_stream(firehose, name) for name in own)
        event = SmokeTest(url, self.settings)
        say(f"event {event.id}: sending it to {url}")
        outcome = event.send(self.arguments.wait)
        places = [failed] if outcome == "failed" else levels
        longest = max(place.interval_seconds for place in places)
        say(f"event {event.id}: {outcome}; Firehose writes it within {longest} s or so")
        with waiting("waiting for the event in S3"):
            found = event.find(self.client("s3"), places, self.arguments.wait)
        say(f"event {event.id}: stored at {found}")
        return {"id": event.id, "outcome": outcome, "stored_at": str(found)}


def show(stack: Stack, changes: list[Change], region: str | None) -> None:
    """Print what would be changed."""
    say(f"the stack {stack.name} in {region}: {len(changes)} changes")
    for change in changes:
        replaced = " (replaced)" if change.replaces else ""
        if not _is_quiet:
            print(f"  {change.action:<6} {change.kind} {change.resource}{replaced}")


def protect(stack: Stack, is_protected: bool | None) -> None:
    """Protect a stack against deletion, or not; nothing if it stays as it is."""
    if is_protected is not None:
        stack.protect(is_protected)
        say(f"the deletion of the stack {stack.name} is {'refused' if is_protected else 'allowed'}")


def check(environment: str | None) -> None:
    """Have the worker's own readers look at wrangler.toml and the schemas."""
    place = ["--env", environment] if environment else ["--top"]
    sys.stdout.flush()
    if subprocess.run([ROOT / "scripts" / "check", *place, *(["--quiet"] if _is_quiet else [])]).returncode != 0:
        raise DeployError("correct what is named above; nothing is deployed")


def sentence(error: Exception) -> str:
    """What went wrong, and what to set if that is it."""
    if isinstance(error, NO_CREDENTIALS):
        return (
            "AWS needs credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY"
        )
    return str(error)


def address(targets: list[str]) -> str:
    """The first of the worker's addresses that can be called as it is."""
    for target in targets:
        if target.startswith("https://") and "*" not in target:
            return target
    raise DeployError(
        f"wrangler reported no address to call, but {targets}: name it with --url"
    )


# With --quiet and --json: steps are not printed, and warnings go to standard error.
_is_quiet = False


def say(what: str) -> None:
    """Print a step."""
    if not _is_quiet:
        print(f"deploy: {what}", flush=True)


def warn(what: str) -> None:
    """Print what an operator should know."""
    print(f"deploy: {what}", flush=True, file=sys.stderr if _is_quiet else sys.stdout)


def parameter(text: str) -> tuple[str, str]:
    """KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def options() -> Parser:
    """What the command takes."""
    parser = Parser("scripts/deploy")
    add = parser.add_argument
    add("--dry-run", action="store_true")
    add("--rotate", action="store_true")
    add("--env", metavar="NAME")
    add("--stack", default="headwater", metavar="NAME")
    add("--parameter", action="append", default=[], type=parameter, metavar="KEY=VALUE")
    add("--tag", action="append", default=[], type=parameter, metavar="KEY=VALUE")
    add("--role", metavar="ARN")
    add("--protection", action=argparse.BooleanOptionalAction)
    add("--url", metavar="URL")
    add("--wait", type=float, metavar="SECONDS")
    add("--overlap", type=float, default=OVERLAP_SECONDS, metavar="SECONDS")
    add("--print-template", action="store_true")
    add("--template", type=Path, default=TEMPLATE, metavar="FILE")
    # Of the tests.
    add("--queries-template", type=Path, default=query_stack.TEMPLATE)
    # Of the tests.
    add("--poll", type=float, default=3)
    add_output(parser)
    return parser


def deploy(arguments: argparse.Namespace) -> int:
    """The command, once its options are known."""
    if arguments.print_template:
        let_reader_leave()
        print(template.body(arguments.template))
        return DONE
    check(arguments.env)
    deployment = Deployment(arguments)
    try:
        found = deployment.plan() if arguments.dry_run else deployment.run()
    except NO_CREDENTIALS as error:
        raise WrongUse(sentence(error)) from None
    if arguments.json:
        print(json.dumps(found))
    return DONE


def main() -> int:
    """The command; 1 and one sentence when something has to be corrected."""
    arguments = options().parse_args()
    show_progress(arguments)
    global _is_quiet  # noqa: PLW0603
    _is_quiet = arguments.json or arguments.quiet
    return run("deploy", lambda: deploy(arguments), DeployError, *PROBLEMS)


if __name__ == "__main__":
    sys.exit(main())
