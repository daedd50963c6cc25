"""The variables of the Terraform module, from the parameters of the templates: terraform/variables.tf is made by this.

    terraform_variables.py            print it
    terraform_variables.py --write    write it
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import health_stack
import own_streams
import stream_members
import template
from stack import TEMPLATE

FILE = Path(__file__).with_name("terraform") / "variables.tf"
HEAD = """# Made by scripts/aws/terraform_variables.py from the parameters of the templates, which say what is allowed.

variable "name" {
  description = "The name of the stack."
  type        = string
  default     = "headwater"
}

variable "template_bucket" {
  description = "A bucket of yours in the same region, from which CloudFormation reads the templates."
  type        = string
}

variable "role_arn" {
  description = "The ARN of the role that CloudFormation acts as, instead of the caller."
  type        = string
  default     = null
}

variable "tags" {
  description = "The tags of the stacks and of all in them."
  type        = map(string)
  default     = {}
}
"""


def variable(parameter: str) -> str:
    """The name of a parameter as a variable."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter.replace("MiB", "Mib")).lower()


def parameters() -> dict[str, dict[str, Any]]:
    """The parameters that an operator sets, of all templates."""
    found: dict[str, dict[str, Any]] = template.document(TEMPLATE)["Parameters"]
    members = template.document(stream_members.TEMPLATE)["Parameters"]
    found[stream_members.PER_LEVEL] = members[stream_members.PER_LEVEL]
    own = template.document(own_streams.TEMPLATE)["Parameters"]
    found[own_streams.KINESIS] = own[own_streams.KINESIS]
    return found | template.document(health_stack.TEMPLATE)["Parameters"]


def text() -> str:
    """The file."""
    blocks = [HEAD]
    for name, parameter in parameters().items():
        kind = "number" if parameter["Type"] == "Number" else "string"
        default = parameter.get("Default", "")
        blocks.append(
            f'variable "{variable(name)}" {{\n'
            f"  description = {json.dumps(' '.join(parameter['Description'].split()), ensure_ascii=False)}\n"
            f"  type        = {kind}\n"
            f"  default     = {default if kind == 'number' else json.dumps(default)}\n}}\n"
        )
    return "\n".join(blocks)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text())
    else:
        print(text(), end="")
