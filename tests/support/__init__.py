"""What the Python tests share, one module per subject: the built worker, the fakes, fixtures.

Tests and the programs beside them import in one way: `from support.worker import Worker`, `from faults.soak import
Soak`, and a module of the scripts by its name: `from local_aws import LocalAws`. pytest.ini has the folders that this
takes; scripts/tools.sh has them for the programs that scripts/soak, scripts/storm and scripts/bench run.
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
