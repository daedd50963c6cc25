"""ministack as the local AWS runs it: with the Athena of local_athena.py and the outages of local_outage.py."""

from __future__ import annotations

import sys
from pathlib import Path

import ministack.app

# At the end, so that no file here takes the place of a module of ministack's.
sys.path.append(str(Path(__file__).parent))

import local_athena  # noqa: E402
import local_outage  # noqa: E402

if __name__ == "__main__":
    local_athena.install()
    local_outage.install()
    ministack.app.main()
