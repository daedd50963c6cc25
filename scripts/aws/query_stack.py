"""The stack of the saved queries, beside the one of headwater.yaml: they are too long for one template."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

TEMPLATE = Path(__file__).with_name("queries.yaml")
# What the stack has of the other one's parameters.
SHARED = ("Database", "PartitionByTenant", "PartitionByKey")


def parameters(of_other: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the stack, from the other stack's."""
    return {name: of_other[name] for name in SHARED if name in of_other}
