"""A CloudFormation template as it is sent: compact JSON, with the meaning of its YAML file.

CloudFormation takes at most 51,200 bytes in a request, and counts comments and indentation. A larger template has to
be in a bucket first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
INLINE_BYTES = 51_200
# These two have no `Fn::` before their names in the long form.
_BARE = ("Ref", "Condition")


class TemplateError(Exception):
    """Why a template can't be sent, in one sentence."""


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation's functions."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """The long form of `!SUFFIX value`."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    # JSON has only the list: an attribute may have dots, a resource's name has none.
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in _BARE else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def document(template: Path) -> dict[str, Any]:
    """A template of YAML or JSON, with its functions in their long form."""
    try:
        loaded = yaml.load(template.read_text(), _Loader)
    except (OSError, UnicodeError) as error:
        raise TemplateError(f"the template can't be read: {error}") from None
    except yaml.YAMLError as error:
        raise TemplateError(f"the template {template} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(loaded, dict) or "Resources" not in loaded:
        raise TemplateError(f"the template {template} has no Resources")
    return loaded


def body(template: Path) -> str:
    """The template as it is sent."""
    text = json.dumps(document(template), separators=(",", ":"), ensure_ascii=False)
    size = len(text.encode())
    if size > INLINE_BYTES:
        raise TemplateError(
            f"the template {template} has {size} bytes without comments, and CloudFormation takes"
            f" {INLINE_BYTES}: deploy it with aws cloudformation deploy --s3-bucket"
        )
    return text
