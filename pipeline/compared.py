"""Run folders as `preceptor compare` reads them: whatever stages have left, and nothing is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from constitution.errors import DataError
from constitution.files import RecordFile, read_records
from constitution.identity import digest
from constitution.read_json import read_record
from generate.records import Pair, Prompt
from judge.records import Label
from judge.verified import AGAIN
from pipeline.folder import RunFolder
from pipeline.load import load_run
from pipeline.opened import folder_of
from pipeline.out_of_step import out_of_step
from pipeline.resolved import Resolved
from pipeline.stage_behaviour import Comparison, answers_by_prompt
from reports.compare.records import Measured, PairLabel, Side
from reports.settings import BehaviourSettings

PRINCIPLE = "principle `"
SHORT = 12


def read_sides(paths: Sequence[Path], runs: Path) -> list[Side]:
    """Run files or run folders, each under a name of its own. Raises DataError for what is no run."""
    folders = [_folder(path, runs) for path in paths]
    if len({folder.root.resolve() for folder in folders}) < max(2, len(folders)):
        raise DataError("name at least two different runs to compare")
    return [_side(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]


def _folder(path: Path, runs: Path) -> RunFolder:
    folder = RunFolder(path) if path.is_dir() else folder_of(load_run(path, {}), path, runs)
    if not folder.config.is_file():
        raise DataError(
            f"{folder.root}: no {folder.config.name} there, so this is no run folder yet; give a run file or a run "
            "folder that `preceptor run` has made"
        )
    return folder


def _names(folders: Sequence[RunFolder]) -> list[str]:
    """The folders' names; their paths where two have the same one."""
    names = [folder.root.resolve().name for folder in folders]
    counts = Counter(names)
    return [str(folder.root) if counts[name] > 1 else name for folder, name in zip(folders, names, strict=True)]


def _side(folder: RunFolder, name: str) -> Side:
    found = read_record(folder.config, Resolved)
    labels = list(_labels(folder)) if folder.labels.exists() else None
    rows = read_records(folder.comparisons, Comparison) if folder.comparisons.exists() else None
    return Side(
        name=name,
        folder=str(folder.root),
        config=found.config,
        facts=_facts(folder, found, labels, rows),
        constitution=found.constitution,
        settings=_settings(found),
        seed=seed if isinstance(seed := found.config.get("seed"), int) else 0,
        labels=labels,
        answers=None if rows is None else answers_by_prompt(rows),
        measured=_measured(folder),
        notes=tuple(_notes(folder, found, labels)),
        pairs=() if labels is None else RecordFile(folder.pairs, Pair),
    )


def _settings(found: Resolved) -> BehaviourSettings:
    """Level and resamples of the intervals; the defaults' where the run's version had none."""
    given = found.config.get("behaviour")
    known = {key: given[key] for key in ("level", "resamples") if key in given} if isinstance(given, dict) else {}
    return BehaviourSettings.model_validate(known)


def _labels(folder: RunFolder) -> Iterator[PairLabel]:
    """The labels with the answers they are about. Raises DataError if they are of other pairs than the folder's."""
    pairs = RecordFile(folder.pairs, Pair)
    for pair, label in zip(pairs, RecordFile(folder.labels, Label), strict=False):
        if pair.key != label.pair_key:
            raise DataError(f"{folder.labels}: not the labels of the pairs in {folder.pairs.name}: {AGAIN}")
        yield PairLabel(pair.a.key, pair.b.key, pair.prompt.key, label)


def _facts(
    folder: RunFolder, found: Resolved, labels: list[PairLabel] | None, rows: list[Comparison] | None
) -> dict[str, dict[str, str]]:
    """What a result depends on besides settings and constitution."""
    made_by = {"model": found.model.name, "model revision": found.model.revision}
    if labels:
        label = labels[0].label
        made_by |= {"judge": label.judge[:SHORT], "calibration": (label.calibration or "none")[:SHORT]}
    data = {}
    if folder.prompts.exists():
        data["training prompts"] = _set_of([p.key for p in read_records(folder.prompts, Prompt)])
    if labels is not None:
        data["pairs"] = _set_of([digest("compared", answers=sorted((one.a, one.b))) for one in labels])
    if rows is not None:
        data["held-out prompts"] = _set_of([row.prompt.key for row in rows])
    return {"model and judge": made_by, "data": data, "versions": found.versions}


def _set_of(keys: Sequence[str]) -> str:
    """`60 (digest 3f9a...)`: how many different ones, and which."""
    distinct = sorted(set(keys))
    return f"{len(distinct)} (digest {digest('set', keys=distinct)[:SHORT]})"


def _measured(folder: RunFolder) -> Measured | None:
    """By the stamp of stage `behaviour`, which says what it was made from."""
    stamp = folder.stamp("behaviour")
    if stamp is None:
        return None
    principles = {
        name.removeprefix(PRINCIPLE).removesuffix("`"): key
        for name, key in stamp.inputs.items()
        if name.startswith(PRINCIPLE)
    }
    return Measured(principles, (stamp.inputs.get("judge", ""), stamp.inputs.get("calibration", "")))


def _notes(folder: RunFolder, found: Resolved, labels: list[PairLabel] | None) -> Iterator[str]:
    if labels and any(one.label.constitution != found.constitution_key for one in labels):
        yield "its labels are of another constitution than the one it has now (`preceptor label` makes them again)"
    for stage, settings in found.differing.items():
        values = ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items())
        yield f"its stage `{stage}` was made with other settings than the stages after it: {values}"
    yield from out_of_step(folder)
    if not folder.training.exists():
        yield "it is not trained yet"
