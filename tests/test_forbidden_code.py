"""Our packages run no foreign code: their syntax trees hold no pickle, no eval, no shell and no trusted remote code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGES = ("constitution", "generate", "judge", "train", "reports", "pipeline", "benchmarks")
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "code", "runpy", "imp"}
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
ATTRIBUTES = {
    ("torch", "load"),
    ("torch", "save"),
    ("numpy", "load"),
    ("np", "load"),
    ("yaml", "load"),
    ("yaml", "load_all"),
    ("yaml", "full_load"),
    ("yaml", "unsafe_load"),
    ("os", "system"),
    ("os", "popen"),
    ("tempfile", "mktemp"),
}
YAML_LOADERS = {"SafeLoader", "CSafeLoader"}
JINJA = {"Environment", "Template", "NativeEnvironment"}
"""Only the sandboxed environments may be made."""


def found_in(source: str) -> Iterator[str]:
    """What is forbidden in this source, with its line."""
    for node in ast.walk(ast.parse(source)):
        for fault in _faults(node):
            yield f"{getattr(node, 'lineno', 0)}: {fault}"


def _faults(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom):
        yield from [node.module or ""] if (node.module or "").partition(".")[0] in MODULES else []
        pairs = {((node.module or "").partition(".")[0], alias.name) for alias in node.names}
        yield from (".".join(pair) for pair in pairs & ATTRIBUTES)
        if (node.module or "").partition(".")[0] == "jinja2" and node.module != "jinja2.sandbox":
            # `Template` is imported as a type; making one is a call, below.
            yield from (alias.name for alias in node.names if alias.name in JINJA - {"Template"})
    elif isinstance(node, ast.Call):
        yield from _call_faults(node)


def _call_faults(call: ast.Call) -> Iterator[str]:
    named = call.func
    if isinstance(named, ast.Name) and named.id in CALLS | {"Template"}:
        yield f"{named.id}(...)"
    if isinstance(named, ast.Attribute) and isinstance(named.value, ast.Name):
        if (named.value.id, named.attr) in ATTRIBUTES:
            yield f"{named.value.id}.{named.attr}(...)"
        if named.value.id == "jinja2" and named.attr in JINJA:
            yield f"jinja2.{named.attr}(...)"
    for keyword in call.keywords:
        value = keyword.value
        truth = not (isinstance(value, ast.Constant) and value.value in (False, None))
        if keyword.arg in ("shell", "trust_remote_code", "allow_pickle", "weights_only") and truth:
            yield f"{keyword.arg}={ast.unparse(value)}"
        if keyword.arg == "Loader" and getattr(value, "attr", "") not in YAML_LOADERS:
            yield f"Loader={ast.unparse(value)}"
        if keyword.arg == "use_safetensors" and not (isinstance(value, ast.Constant) and value.value is True):
            yield f"use_safetensors={ast.unparse(value)}"


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_nothing_forbidden(path: Path) -> None:
    assert list(found_in(path.read_text(encoding="utf-8"))) == []


def loads_weights(source: str) -> Iterator[ast.Call]:
    """The calls that load a model's weights."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained":
            owner = ast.unparse(node.func.value)
            if owner not in ("AutoConfig", "AutoTokenizer"):
                yield node


def test_weights_are_loaded_from_safetensors_alone() -> None:
    """Every model that our packages load says so, or is given a GGUF file, which holds tensors and no code."""
    calls = [
        (path.name, call)
        for path in sources()
        if "benchmarks" not in path.parts
        for call in loads_weights(path.read_text(encoding="utf-8"))
    ]
    assert {name for name, _ in calls} == {"bundled.py", "load.py"}
    for name, call in calls:
        given = {keyword.arg for keyword in call.keywords}
        assert "use_safetensors" in given or "gguf_file" in given, name


@pytest.mark.parametrize(
    "bad",
    [
        "import pickle",
        "import pickle as json",
        "from dill import loads",
        "import marshal",
        "from torch import load",
        "import cloudpickle.foo",
        "eval('1')",
        "exec(code)",
        "torch.load(path)",
        "torch.load(path, weights_only=True)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.parse(text, Loader=yaml.UnsafeLoader)",
        "yaml.unsafe_load(text)",
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls', shell=wanted)",
        "os.system('ls')",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "AutoModel.from_pretrained(x, trust_remote_code=settings.trust)",
        "AutoModel.from_pretrained(x, use_safetensors=False)",
        "jinja2.Environment()",
        "from jinja2 import Environment",
        "Template(text)",
        "__import__('os')",
    ],
)
def test_the_test_finds(bad: str) -> None:
    assert list(found_in(bad))


@pytest.mark.parametrize(
    "good",
    [
        "re.compile('a')",
        "yaml.safe_load(text)",
        "yaml.parse(text, Loader=yaml.CSafeLoader)",
        "AutoModel.from_pretrained(x, trust_remote_code=False, use_safetensors=True)",
        "from jinja2.sandbox import ImmutableSandboxedEnvironment",
        "model.eval()",
        "subprocess.run(['ls'], shell=False)",
    ],
)
def test_the_test_lets_pass(good: str) -> None:
    assert not list(found_in(good))
