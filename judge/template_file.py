"""Judge templates as files: found by name, checked before anything is rendered, compiled in a sandbox.

    system     what the model is told first; may be missing or empty
    case       {{ conversation }}, and mostly {{ response_a }} and {{ response_b }}
    ruler      mostly absent: the mark of a line after `case` that fills cache blocks, see generate/align.py
    question   {{ principle }}: used where the principle has no question of its own
    principle  {{ question }}, and {% for example in examples %} with example.prompt, example.better, example.worse
    options    what stands after the principle instead of in `case`: {{ response_a }}, {{ response_b }}
    direct     asks for the label alone
    reasoned   asks for JSON, rationale then verdict; {% if abstain %} where the judge may say `neither`
    think      asks for the rationale alone, when the label is asked for afterwards

The sandbox keeps a template from reaching Python, but not from building a gigabyte of text. So nothing can be computed:
no operators, no calls, a few filters without arguments, one loop over examples. The three untrusted texts stand exactly
once each, any other name at most three times a block, and the file is at most 64 KiB: that bounds the prompt.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from constitution.errors import ConfigError, JudgeError, Problem
from constitution.files import read_text
from constitution.identity import digest
from judge.template_lint import Fault, find_faults

TEMPLATE_CODE_VERSION = 3
MAX_BYTES = 64 * 1024


class JudgeTemplate(NamedTuple):
    """A compiled template. `digest` covers its text and the code that fills it; `abstains`: it has a word for it."""

    name: str
    digest: str
    compiled: Template
    abstains: bool


def load_template(name: str, base: Path | None = None) -> JudgeTemplate:
    """A shipped template by name, or a file `*.j2` in the folder `base` or below it.

    Raises JudgeError for a name that there is not or a file elsewhere, DataError for one that cannot be read,
    ConfigError with file, line and column of every fault in it.
    """
    if not name.endswith(".j2"):
        return _shipped(name)
    folder = (base or Path()).resolve()
    try:
        path = (folder / name).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a zero byte, a loop of links
        raise JudgeError(f"the judge template `{name}` is no name of a file ({error})") from error
    if not path.is_relative_to(folder):
        raise JudgeError(f"the judge template `{name}` must lie in the run file's folder or below it")
    return parse_template(read_text(path, MAX_BYTES), name)


@lru_cache(maxsize=8)
def _shipped(name: str) -> JudgeTemplate:
    folder = files("judge") / "templates"
    names = sorted(entry.name.removesuffix(".j2") for entry in folder.iterdir() if entry.name.endswith(".j2"))
    if name not in names:
        raise JudgeError(
            f"no judge template is called `{name}`; there are: {', '.join(names)}; a file of your own ends in .j2"
        )
    return parse_template((folder / f"{name}.j2").read_text(encoding="utf-8"), name)


def parse_template(source: str, name: str) -> JudgeTemplate:
    """Check and compile. Raises ConfigError with every fault."""
    # The output is text for a model, not HTML: escaping would change what is judged.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    try:
        tree = environment.parse(source)
        faults = sorted(fault._replace(line=fault.line or 1) for fault in find_faults(tree))
    except TemplateSyntaxError as error:
        faults = [Fault(error.lineno, "{", f"not a template: {error.message}")]
    except RecursionError:
        faults = [Fault(1, "", "not a template: nested too deeply")]
    if faults:
        raise ConfigError([_problem(fault, source, name) for fault in faults])
    abstains = any(found.name == "abstain" for found in tree.find_all(nodes.Name))
    identity = digest("template", source=source, code=TEMPLATE_CODE_VERSION)
    return JudgeTemplate(name, identity, environment.from_string(source), abstains)


def _problem(fault: Fault, source: str, name: str) -> Problem:
    lines = source.split("\n")
    text = lines[fault.line - 1] if fault.line <= len(lines) else ""
    return Problem(name, fault.line, max(0, text.find(fault.token)) + 1, fault.said, text)
