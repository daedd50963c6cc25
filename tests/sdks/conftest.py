"""`--sdk-table FILE` writes the table of the SDKs, as Markdown for www/docs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("sdks.stories", "sdks.dialect")

from faults.firehose_proxy import FirehoseProxy
from local_aws import LocalAws
from sdks import sdk_table
from sdks.settings import SETTINGS
from sdks.stories import Records
from support.worker import Worker

ROWS = pytest.StashKey[list[sdk_table.Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sdk-table", type=Path, help="writes the table of the SDKs to this file")


@pytest.fixture(scope="module")
def proxy(aws: LocalAws) -> Iterator[FirehoseProxy]:
    """A Firehose that can be made to refuse."""
    with FirehoseProxy(aws, "sdks") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def worker(proxy: FirehoseProxy) -> Iterator[Worker]:
    """The worker that delivers to it."""
    with Worker(proxy.environment(), SETTINGS) as worker:
        yield worker


@pytest.fixture(scope="module")
def data(aws: LocalAws) -> Records:
    """The events in S3."""
    return Records(aws)


@pytest.fixture(scope="module")
def failed(aws: LocalAws) -> Records:
    """The failed events in S3."""
    return Records(aws, "failed")


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> list[sdk_table.Row]:
    """The rows of the table; a test that has run an SDK adds its own."""
    return pytestconfig.stash.setdefault(ROWS, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--sdk-table", default=None)
    if path:
        sdk_table.write(path, session.config.stash.get(ROWS, []))
