"""What is fuzzed: inputs to begin with, and what must hold for every mutation of them.

Every outcome must be a value or an error of ours; where the right value is known, it is compared.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.hostile.records import LINES, Note
from benchmarks.hostile.verdicts import GOOD as GOOD_VERDICT
from benchmarks.hostile.verdicts import MALFORMED
from benchmarks.hostile.yaml_files import GOOD, RUN, RUN_TEXTS, TEXTS
from constitution.errors import PreceptorError
from constitution.load import load_constitution
from constitution.read_json import json_lines, read_json, read_json_lines, read_object, read_record
from constitution.store import Store
from judge.imports.found import Request
from judge.imports.rows import READERS, Foreign, read_rows
from judge.verdict import ANSWER_CHARS, NoVerdict, Verdict, read_verdict
from pipeline.load import load_run

LONGEST_SEED = 5_000
NOTES = {f"{n:032x}": Note(text=f"note {n} " * (n % 90)) for n in range(60)}
ROWS = (
    'id,prompt\na,"x, y"\nb,"two\nlines"\n',
    '\ufeffid,prompt\r\na,"say ""x"""\r\nb,\r\n',
    '[{"id": "a", "prompt": "x"},\n {"id": "b", "tags": ["t", {"u": null}], "n": -1.5e3}]\n',
    '{"id": "a", "prompt": "x"}\n\n{"id": "b", "prompt": "\\ud83d\\ude00 \u2028 \\u0000"}\n',
)
SETTINGS = (
    "train.beta=0.2",
    "judge=reader",
    "executor={type: ray, actors: 2}",
    "executor.address=auto",
    "judges.reader.kind=rules",
    "judges={a: {kind: rules}, b: {kind: llm, engine: embedded, model: m}}",
    "train.lora.r=4",
    "generate.sampling.max_new_tokens=1e3",
    "train.trace=null",
    'prompts.train="a\\u0000b"',
    "model=[a, 'b', |\n  c\n]",
)


class Target(NamedTuple):
    """`withstand` is given an input and a folder to work in, and raises only where something is wrong with us."""

    seeds: list[bytes]
    withstand: Callable[[bytes, Path], None]


def _written(data: bytes, path: Path) -> Path:
    path.write_bytes(data)
    return path


def _yaml(data: bytes, folder: Path) -> None:
    path = _written(data, folder / "x.yaml")
    for load in (load_constitution, lambda p: load_run(p, {})):
        with contextlib.suppress(PreceptorError):
            load(path)


def _verdict(data: bytes, _: Path) -> None:
    text = data.decode("utf-8", "replace")
    found = read_verdict(text, "stop")
    if isinstance(found, NoVerdict):
        assert found.reason, "a failed vote without a reason"
        return
    assert isinstance(found, Verdict), "a record of another kind"
    assert len(text) <= ANSWER_CHARS, "longer than an answer may be"
    assert json.loads(text) == found.model_dump(), "not what the text says"


def _store_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notes.sqlite"
        with Store(path, Note) as store:
            store.put(NOTES)
        return path.read_bytes()


def _store(data: bytes, folder: Path) -> None:
    for left in folder.iterdir():
        left.unlink()
    path = _written(data, folder / "notes.sqlite")
    for _ in range(2):  # once as it is, once as it was mended
        with contextlib.suppress(PreceptorError), Store(path, Note) as store:
            assert store.get(NOTES).items() <= NOTES.items(), "a record that nobody wrote"


def _rows(data: bytes, folder: Path) -> None:
    for kind in READERS:
        path = _written(data, folder / f"rows{kind}")
        with contextlib.suppress(PreceptorError):
            for row, _ in read_rows(Request(format="trl", sources=(str(path),)), Foreign):
                assert isinstance(row.value, dict), "a row that has no columns"
                assert row.line >= 1, "a row that is nowhere"


def _run_json(data: bytes, folder: Path) -> None:
    path = _written(data, folder / "x.json")
    for read in (
        read_json,
        read_object,
        read_json_lines,
        lambda p: list(json_lines(p)),
        lambda p: read_record(p, Note),
    ):
        with contextlib.suppress(PreceptorError):
            read(path)


def _settings(data: bytes, folder: Path) -> None:
    path = folder / "run.yaml"
    if not path.exists():
        path.write_text(RUN, encoding="utf-8")
    with contextlib.suppress(PreceptorError):
        load_run(path, {}, [data.decode("utf-8", "surrogateescape")])  # as an argument reaches Python


def targets() -> Mapping[str, Target]:
    """By name."""
    answers = [GOOD_VERDICT, *(text for text, _ in MALFORMED)]
    return {
        "yaml": Target(_seeds(GOOD, RUN, *TEXTS.values(), *RUN_TEXTS.values()), _yaml),
        "verdict": Target(_seeds(*answers), _verdict),
        "store": Target([_store_bytes()], _store),
        "rows": Target(_seeds(*ROWS, *LINES.values()), _rows),
        "run_json": Target(_seeds(*ROWS, *LINES.values(), '{"text": "x"}'), _run_json),
        "settings": Target(_seeds(*SETTINGS), _settings),
    }


def _seeds(*texts: str | bytes) -> list[bytes]:
    """Without the long ones, of which mutations would leave most as it is."""
    encoded = (text.encode() if isinstance(text, str) else text for text in texts)
    return [data for data in encoded if len(data) <= LONGEST_SEED]
