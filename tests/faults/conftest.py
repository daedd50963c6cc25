"""What the tests of the faults share: the seed of their chance."""

import os
import random

import pytest


@pytest.fixture(scope="package")
def seed() -> int:
    """HEADWATER_SEED, to do the same again; else any."""
    return int(os.environ.get("HEADWATER_SEED", random.randrange(1_000_000)))
