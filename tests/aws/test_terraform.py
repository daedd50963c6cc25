"""The Terraform module: it has a variable for each parameter of the templates and gives it to them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import health_stack
import own_streams
import query_stack
import stream_members
import template
import terraform_variables
from local_aws import TEMPLATE
from support import ROOT

MODULE = ROOT / "scripts" / "aws" / "terraform"
SECONDS = 120
# What the module uses of the provider hashicorp/aws 6.25.0, by its documentation: which arguments a type requires, which
# others it takes, and which attributes are known only after a run.
SCHEMA = {
    "resource aws_cloudformation_stack": (
        {"name"},
        {"capabilities", "iam_role_arn", "parameters", "tags", "template_body", "template_url"},
        {"outputs"},
    ),
    "resource aws_s3_object": ({"bucket", "key"}, {"source", "tags"}, {"etag", "version_id"}),
    "data aws_s3_bucket": ({"bucket"}, set(), {"bucket_regional_domain_name"}),
}
META_ARGUMENTS = {"count", "depends_on", "for_each", "provider"}
# As in www/docs/deploy.md.
CALLER = """
provider "aws" {
  region = "eu-west-1"
}

provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"
}

module "headwater" {
  source = "./aws/terraform"
  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }
  template_bucket = "acme-templates"
}

output "worker_user" {
  value = module.headwater.outputs["WorkerUserName"]
}
"""


def test_the_variables_are_those_of_the_templates() -> None:
    made = "run scripts/aws/terraform_variables.py --write with the Python of scripts/tools.sh"
    assert terraform_variables.FILE.read_text() == terraform_variables.text(), made


def test_a_variable_is_called_as_its_parameter_is() -> None:
    names = ["KmsKeyArn", "FailedBufferSizeMiB", "Format"]
    assert [terraform_variables.variable(name) for name in names] == ["kms_key_arn", "failed_buffer_size_mib", "format"]


@pytest.mark.parametrize(
    ("stack", "file"),
    [
        ("headwater", TEMPLATE),
        ("queries", query_stack.TEMPLATE),
        ("streams", stream_members.TEMPLATE),
        ("own", own_streams.TEMPLATE),
        ("health", health_stack.TEMPLATE),
    ],
)
def test_a_stack_gets_each_of_its_parameters(stack: str, file: Path) -> None:
    text = (MODULE / "main.tf").read_text()
    block = text.split(f'resource "aws_cloudformation_stack" "{stack}" {{')[1].split("\n}\n")[0]
    shared = text.split("  shared = {")[1].split("\n  }\n")[0]
    given = dict(re.findall(r"^ +([A-Z]\w+) += (.+)$", block + (shared if "local.shared" in block else ""), re.MULTILINE))
    assert set(given) == set(template.document(file)["Parameters"])
    for parameter, value in given.items():
        name = terraform_variables.variable(parameter)
        own = (f"var.{name}", f"local.{name}", f'aws_cloudformation_stack.headwater.outputs["{parameter}"]')
        assert value in own, parameter


def test_the_worker_may_put_to_the_operators_own_streams() -> None:
    text = (MODULE / "main.tf").read_text()
    for service, prefix in (("firehose", "FirehoseArnPrefix"), ("kinesis", "KinesisArnPrefix")):
        (made,) = re.findall(rf"^  {service}_arns +=.+$", text, re.MULTILINE)
        assert f'split(",", var.{service}_streams)' in made
        assert f'outputs["{prefix}"]' in made
        assert prefix in template.document(TEMPLATE)["Outputs"]


def blocks() -> dict[tuple[str, ...], str]:
    """The body of each block of the module at the left margin, by the words before it. `terraform fmt` gives it this form."""
    found = {}
    for file in sorted(MODULE.glob("*.tf")):
        for head, body in re.findall(r"^(\w[^{}=\n]*) \{\n(.*?)^\}$", file.read_text(), re.MULTILINE | re.DOTALL):
            words = tuple(head.replace('"', "").split())
            assert words not in found, f"{words} is twice"
            found[words] = body
    return found


def arguments(body: str) -> set[str]:
    return set(re.findall(r"^  (\w+) +=", body, re.MULTILINE))


def test_each_block_has_the_arguments_of_its_type() -> None:
    of_types = {words: body for words, body in blocks().items() if words[0] in ("resource", "data")}
    assert len(of_types) == 7
    for (kind, type_, name), body in of_types.items():
        required, optional, _ = SCHEMA[f"{kind} {type_}"]
        given = arguments(body) - META_ARGUMENTS
        assert required <= given <= required | optional, f"{type_}.{name}"


def test_each_reference_has_something_it_refers_to() -> None:
    declared = blocks()
    text = re.sub(r"^ *#.*$", "", "\n".join(each.read_text() for each in MODULE.glob("*.tf")), flags=re.MULTILINE)
    variables = {words[1] for words in declared if words[0] == "variable"}
    assert set(re.findall(r"\bvar\.(\w+)", text)) == variables
    assert set(re.findall(r"\blocal\.(\w+)", text)) == arguments(declared[("locals",)])
    references = re.findall(r"(data\.)?\b(aws_\w+)\.(\w+)((?:\[[^]]+\])?(?:\.\w+)?)", text)
    assert len(references) > 5
    outputs = template.document(TEMPLATE)["Outputs"]
    for data, type_, name, attribute in references:
        kind = "data" if data else "resource"
        assert (kind, type_, name) in declared
        if used := attribute.rpartition(".")[2]:
            assert used in set().union(*SCHEMA[f"{kind} {type_}"]), f"{type_}.{name}{attribute}"
    for output in re.findall(r'\.outputs\["(\w+)"\]', text):
        assert output in outputs and "Condition" not in outputs[output], output
    # The templates, and which of them a stack has.
    assert set(re.findall(r'aws_s3_object\.template\["(\w+)"\]', text)) == {"headwater", "queries", "streams", "own"}
    for path in re.findall(r"\$\{path\.module\}/([^\"]+)", text):
        assert (MODULE / path).is_file(), path


def test_terraform_finds_the_module_valid(tmp_path: Path) -> None:
    """Where Terraform and its AWS provider can be had; TF_CLI_ARGS_init may say where the provider is."""
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if not terraform:
        pytest.skip("there is no terraform and no tofu")
    (tmp_path / "main.tf").write_text(CALLER)
    shutil.copytree(MODULE, tmp_path / "aws" / "terraform")
    for file in (TEMPLATE, query_stack.TEMPLATE, stream_members.TEMPLATE, own_streams.TEMPLATE, health_stack.TEMPLATE):
        shutil.copy(file, tmp_path / "aws")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([terraform, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)

    formatted = run("fmt", "-check", "-diff", "-recursive", "aws")
    assert (formatted.returncode, formatted.stdout) == (0, "")
    if run("init", "-backend=false", "-input=false").returncode != 0:
        pytest.skip("Terraform's AWS provider can't be had")
    valid = run("validate", "-no-color")
    assert valid.returncode == 0, valid.stderr
