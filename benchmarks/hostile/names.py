"""Names of runs, models, revisions, judges and files that lead outside, are reserved, too long or not names at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.hostile.case import Case, must_refuse, shown
from benchmarks.hostile.yaml_files import RUN
from generate.models import resolve_model
from judge.template_file import load_template
from pipeline.folder import RunFolder
from pipeline.load import load_run

NAMES: Sequence[str] = (
    "..",
    ".",
    "../outside",
    "../../etc",
    "/absolute",
    "/etc/passwd",
    "a/b",
    "a/../b",
    "a\\b",
    "..\\outside",
    "C:\\windows",
    "nul\x00",
    "a\nb",
    "a\tb",
    "a b",
    " a",
    "a ",
    "",
    "A",
    "CON",
    "NUL.txt",
    "-rf",
    "--help",
    "a--b",
    "~",
    "~root",
    "$HOME",
    "$(id)",
    "`id`",
    "a;id",
    "a|id",
    "a&b",
    "a*",
    "a?",
    "%2e%2e%2f",
    "\u2024\u2024/x",
    "ａ",
    "é",
    "а",
    "a\u200b",
    "a\u202e",
    "\x1b[31m",
    "<b>",
    "{{7*7}}",
    "x" * 65,
    "x" * 300,
    "x" * 100_000,
    ".hidden",
    "a.",
    "1",
)
MODELS: Sequence[str] = (
    "../../etc",
    "./missing",
    "/etc",
    "/dev/null",
    "~nobody/model",
    "a/b/c",
    "a/../b",
    "org/..",
    "..",
    "a\x00b",
    "org/mo\x00del",
    "https://evil.example/model",
    "file:///etc/passwd",
    "git+ssh://evil.example/x",
    "bundled:",
    "bundled:../../etc",
    "bundled:\x00",
    "org/model\n",
    "org/model;id",
    "org/ model",
    "\x1b[31morg/model",
    "оrg/model",
    "org\\model",
    "x" * 300,
    "org/" + "x" * 300,
    "-/-",
    "",
)
REVISIONS: Sequence[str] = ("../../../etc/passwd", "/etc/passwd", "main\x00", "a b", "", "x" * 300, "refs/../../x")
TEMPLATES: Sequence[str] = ("../outside.j2", "/etc/passwd.j2", "link.j2", "a/../../outside.j2", "a\x00.j2", "none.j2")
TEMPLATES_MORE: Sequence[str] = ("x" * 300 + ".j2", "/dev/zero.j2", "folder.j2", "..", "", "chat.j2/..", "grand")


def _run_name(name: str, folder: Path, flag: bool) -> object:
    path = folder / "run.yaml"
    quoted = "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08X}" for c in name)
    path.write_text(RUN if flag else RUN.replace("name: r", f'name: "{quoted}"'), encoding="utf-8")
    config = load_run(path, {"name": name} if flag else {})
    return RunFolder(folder / "runs" / config.name).root


def _template(name: str, folder: Path) -> object:
    inside = folder / "run"
    inside.mkdir()
    (inside / "folder.j2").mkdir()
    (folder / "outside.j2").write_text("x", encoding="utf-8")
    (inside / "link.j2").symlink_to(folder / "outside.j2")
    return load_template(name, inside)


def _linked_model(what: str, folder: Path) -> object:
    """A model folder with a part that no safe model has."""
    model = folder / "model"
    model.mkdir()
    files: Mapping[str, Mapping[str, str]] = {
        "pickled weights": {"config.json": '{"model_type": "llama"}', "pytorch_model.bin": "x"},
        "code of its own": {
            "config.json": '{"model_type": "odd", "auto_map": {"AutoModel": "evil.Odd"}}',
            "model.safetensors": "x",
            "evil.py": "raise SystemExit",
        },
        "no configuration": {"model.safetensors": "x"},
        "a configuration that is a list": {"config.json": "[]", "model.safetensors": "x"},
        "a configuration that is no JSON": {"config.json": "{", "model.safetensors": "x"},
        "a configuration nested 100,000 deep": {"config.json": "[" * 100_000, "model.safetensors": "x"},
        "a configuration of other bytes": {"config.json": "\udcff", "model.safetensors": "x"},
    }
    for name, text in files[what].items():
        (model / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    return resolve_model(str(model))


PARTS = (
    "pickled weights",
    "code of its own",
    "no configuration",
    "a configuration that is a list",
    "a configuration that is no JSON",
    "a configuration nested 100,000 deep",
    "a configuration of other bytes",
)


def cases() -> list[Case]:
    """All of them must be refused."""
    found = [must_refuse("run name", shown(n), lambda f, n=n: _run_name(n, f, True)) for n in NAMES]
    found += [must_refuse("run name in the file", shown(n), lambda f, n=n: _run_name(n, f, False)) for n in NAMES]
    found += [must_refuse("model", shown(n), lambda f, n=n: resolve_model(n)) for n in MODELS]
    found += [must_refuse("revision", shown(n), lambda f, n=n: resolve_model("org/kept", n)) for n in REVISIONS]
    found += [must_refuse("model folder", what, lambda f, w=what: _linked_model(w, f)) for what in PARTS]
    names = (*TEMPLATES, *TEMPLATES_MORE)
    return found + [must_refuse("template name", shown(n), lambda f, n=n: _template(n, f)) for n in names]
