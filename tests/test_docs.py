"""Every code block of the pages: YAML goes through the real loaders, commands through the real command line's parser,
JSON and templates through what reads a user's. tests/test_docs_run.py executes the commands."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from judge.opinions import Opinion
from judge.template_file import load_template
from pipeline.cli import app
from pipeline.help_page import PAGE, help_page
from tests.doc_blocks import PAGES, ROOT, Block, blocks, commands
from tests.doc_links import faults
from tests.doc_synopses import command_lines, filled, mentioned, parse, stripped
from tests.doc_yaml import load_block

ALL = blocks()
NUMBERS = {"N": "2", "M": "3"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OTHERS_PROGRAMS = {
    "cp": "tests/test_newcomer.py executes the walk that it is part of",
    "pipx": "fetches pip-audit, needs a network",
    "vllm": "a server on a GPU; tests/test_engine_openai_vllm.py starts a real one",
    "sqlite3": "its query is executed by tests/test_docs_run.py",
    "torchrun": "several processes; tests/test_distributed.py starts them",
}
"""What starts the lines that are not Preceptor's, and why they are not executed here."""


def of(kind: str) -> list[Block]:
    return [block for block in ALL if block.kind == kind]


def name(block: Block) -> str:
    return block.name


def test_no_kind_is_empty_and_no_page_is_left_out() -> None:
    assert {block.kind for block in ALL} >= {"console", "yaml", "json", "jinja", "text", "workflow"}
    assert {page.name for page in PAGES} >= {"README.md", "judging.md", "CONTRIBUTING.md", "SECURITY.md"}


@pytest.mark.parametrize("block", of("yaml"), ids=name)
def test_yaml_is_what_the_loaders_take(block: Block, tmp_path: Path) -> None:
    modeline = re.match(r"# yaml-language-server: \$schema=(\S+)$", block.text)
    if modeline:
        assert (ROOT / "examples" / "any" / modeline[1]).resolve().is_file()
    else:
        load_block(block.text, tmp_path)


def test_a_wrong_piece_of_yaml_would_be_found(tmp_path: Path) -> None:
    for text in ("train: {los: dpo}", "judge: nobody\njudges: {rules: {kind: rules}}", "probes: [null]"):
        with pytest.raises((ValueError, AssertionError)):
            load_block(text, tmp_path)


@pytest.mark.parametrize("block", of("console"), ids=name)
def test_every_line_of_a_console_block_is_a_command_that_there_is(block: Block) -> None:
    for line in commands(block.text):
        check_command(stripped(line))


def check_command(line: str) -> None:
    program, *words = line.split()
    if program == "preceptor" and words[0].startswith("-"):
        mentioned(app, words)  # is answered while it is parsed
    elif program == "preceptor":
        for alternative in command_lines(line):
            parse(app, filled(alternative, NUMBERS)[1:])
    elif program == "make":
        assert all(re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for word in words)
    elif program == "python":
        assert importlib.util.find_spec(words[1]) if words[0] == "-m" else (ROOT / words[0]).is_file()
    elif program == "pip":
        wanted = re.findall(r"[a-z-]+", line.split("[")[1].split("]")[0])
        assert set(wanted) <= set(PROJECT["optional-dependencies"])
    elif program == ".venv/bin/pytest":
        assert all((ROOT / word).exists() for word in words if word.endswith(".py"))
    else:
        assert program in OTHERS_PROGRAMS
        inner = re.search(r"\$\(which preceptor\) (.*)", line)
        if inner:
            check_command(f"preceptor {inner[1]}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_within_sentences_are_commands_that_there_are(page: Path) -> None:
    prose = re.sub(r"^ {4}.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for inline in re.findall(r"`preceptor ([^`]+)`", prose):
        mentioned(app, [word.strip("[]") for word in inline.split()])
    for inline in re.findall(r"`((?:make|torchrun) [^`]+)`", prose):
        check_command(inline.replace("\n", " "))


@pytest.mark.parametrize("block", of("json"), ids=name)
def test_json_is_what_its_reader_takes(block: Block) -> None:
    if block.page == "docs/sources.md":
        Opinion.model_validate_json(block.text)
    elif block.page == "docs/trace.md":
        given = yaml.safe_load(block.text)
        assert set(given) == {"prompt", "response", "finished"}  # executed by tests/test_docs_run.py
    else:
        assert block.page == "docs/performance.md"  # a benchmark's result


@pytest.mark.parametrize("block", of("jinja"), ids=name)
def test_templates_load(block: Block, tmp_path: Path) -> None:
    (tmp_path / "judge.j2").write_text(block.text, encoding="utf-8")
    assert load_template("judge.j2", tmp_path).name == "judge.j2"


def test_python_compiles() -> None:
    for block in of("python"):
        compile(block.text, block.name, "exec")


def test_the_page_of_commands_is_what_help_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == help_page(), "run: python -m pipeline.help_page"
    for both in ("| `--trace / --no-trace` |", "| `--controls / --no-controls` |"):
        assert both in help_page()


def test_the_workflow_runs_the_command_above_it() -> None:
    (block,) = of("workflow")
    (audit,) = [each.text for each in of("console") if each.page == block.page]
    assert audit in yaml.safe_load(block.text)["audit"]["steps"][1]["run"]


def test_the_readme_names_every_command_and_every_folder() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = {words[1] for block in of("console") if block.page == "README.md" for line in commands(block.text)
              for words in command_lines(line) if words[0] == "preceptor"}  # fmt: skip
    assert {command.name for command in app.registered_commands} | {"constitution"} == listed
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"examples", "docs", "benchmarks"}
    assert folders <= set(re.findall(r"^    ([a-z]+)/ ", readme, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert faults(page) == []
