"""What is sent to CloudFormation: it means what the YAML file means, and is small enough."""

from __future__ import annotations

import json
from pathlib import Path

import cfnlint.decode
import pytest

import health_stack
import query_stack
import stream_members
import template
from local_aws import TEMPLATE

FILES = [TEMPLATE, query_stack.TEMPLATE, stream_members.TEMPLATE, health_stack.TEMPLATE]

# What a change may add before the template has to be made smaller.
ROOM = 1_000


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_body_means_what_the_file_means(file: Path) -> None:
    """cfn-lint has a reader of its own."""
    decoded, problems = cfnlint.decode.decode(str(file))
    assert not problems
    assert json.loads(template.body(file)) == json.loads(json.dumps(decoded, default=str))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_body_needs_no_bucket(file: Path) -> None:
    assert len(template.body(file).encode()) <= template.INLINE_BYTES - ROOM


def test_each_short_form_becomes_a_long_one(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("""
Resources:
  # A comment.
  A:
    Condition: C
    B: [!Ref A, !GetAtt A.B.C, !GetAtt [A, B], !Sub "${A}:ö", !If [C, !Condition D, !Ref "AWS::NoValue"]]
    D: !Sub
      - ${E}
      - E: !Join [",", [yes, "yes", 08, "2012-10-17"]]
""")
    assert template.body(file) == (
        '{"Resources":{"A":{"Condition":"C","B":[{"Ref":"A"},{"Fn::GetAtt":["A","B.C"]},{"Fn::GetAtt":["A","B"]},'
        '{"Fn::Sub":"${A}:ö"},{"Fn::If":["C",{"Condition":"D"},{"Ref":"AWS::NoValue"}]}],'
        '"D":{"Fn::Sub":["${E}",{"E":{"Fn::Join":[",",[true,"yes","08","2012-10-17"]]}}]}}}}'
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Resources: [", "is no YAML: "),
        ("- 1", "has no Resources"),
        (f"Resources: {{A: {'x' * 51_200}}}", "has 51222 bytes without comments, and CloudFormation takes 51200: "),
    ],
)
def test_a_template_that_cannot_be_sent_is_named(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(text)
    with pytest.raises(template.TemplateError, match=reason):
        template.body(file)
