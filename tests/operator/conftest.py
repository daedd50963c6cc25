"""What the tests of the operator's programs share: an empty lake, and a worker that fills it."""

from collections.abc import Iterator

import pytest

from local_aws import LocalAws
from support.cli import OPERATOR_KEY
from support.replay_fixtures import BEFORE
from support.worker import Worker


@pytest.fixture
def lake(aws: LocalAws) -> LocalAws:
    """The local AWS with nothing in it, for each test."""
    aws.clear()
    return aws


@pytest.fixture
def worker(lake: LocalAws) -> Iterator[Worker]:
    """The worker before its rules are fixed."""
    with Worker(
        {**lake.environment(), "HEADWATER_OPERATOR_KEY": OPERATOR_KEY}, BEFORE
    ) as worker:
        yield worker
