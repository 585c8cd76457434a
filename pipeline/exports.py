"""A labelled run in other tools' formats: annotated pairs, or a folder that `datasets.load_dataset` takes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from constitution.errors import DataError, StoreError
from constitution.files import write_atomically, write_json
from constitution.read_json import read_record
from generate.engine import ModelRef
from generate.models import TRAINING, hub_id, public_name
from generate.records import Pair
from judge.annotated import annotated_pairs
from judge.exported import write_labels, write_principles, write_split_preferences, write_votes
from judge.records import Label
from pipeline.context import Run
from pipeline.judge_cards import judge_cards
from pipeline.resolved import Resolved
from reports.dataset_card import DatasetCardFacts, dataset_card
from train.schedule import heldout_prompts

README = "README.md"


def annotated(run: Run) -> dict[str, Any]:
    """What the run's stages left, as annotated pairs; nothing is computed."""
    labels = {label.pair_key: label for _, label in _labelled(run)}
    stamp = run.folder.stamp("label")
    created = stamp.finished.replace("+00:00", "Z") if stamp else ""
    return annotated_pairs(run.pairs(), labels, run.constitution, run.config.name, created)


def preferences_folder(run: Run, folder: Path, license_name: str | None) -> str:
    """TRL's columns and a card; returns what was written, in words."""
    return _finished(run, folder, license_name, {"preferences": _preferences(run, folder)})


def whole_folder(run: Run, folder: Path, license_name: str | None) -> str:
    """Preferences, labels, votes and principles, each its own configuration, and a card; returns the same."""
    rows = {"preferences": _preferences(run, folder), "labels": write_labels(folder, _labelled(run))}
    with run.judged_votes() as store:
        judge = run.judge(run.config.judge)
        rows["votes"] = write_votes(folder, run.pairs(), run.constitution, judge, store)
    rows["principles"] = write_principles(folder, run.constitution)
    return _finished(run, folder, license_name, rows)


def model_folder(run: Run, folder: Path) -> str:
    """The trained model with its card. Raises StoreError if it cannot be written."""
    _copy(run.folder.policy, folder)
    adapter = folder / "adapter"
    if adapter.is_dir():
        (adapter / "README.md").unlink(missing_ok=True)  # runs of before have peft's empty template of a card
        _name_base(adapter / "adapter_config.json", _reference(run))
    return "the trained model and its card"


def _copy(policy: Path, folder: Path) -> None:
    try:
        shutil.copytree(policy, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(TRAINING))
    except shutil.Error as error:  # every file that could not be copied: from where, to where, why
        _, where, why = error.args[0][0]
        raise StoreError(f"{where}: cannot be written ({why})") from error


def _name_base(path: Path, reference: ModelRef) -> None:
    """The model that an adapter is for, as others can find it: peft writes the folder that it was loaded from."""
    config = json.loads(path.read_text(encoding="utf-8"))
    on_hub = hub_id(reference.name)
    config["base_model_name_or_path"] = on_hub or public_name(reference.name)
    # Of a folder or a converted model the revision is a digest, which no hub knows.
    config["revision"] = reference.revision if on_hub == reference.name else None
    write_json(path, config)


def _reference(run: Run) -> ModelRef:
    """The policy before training, as the run noted it: nothing is resolved again."""
    return read_record(run.folder.config, Resolved).model


def _preferences(run: Run, folder: Path) -> dict[str, int]:
    """Split as training splits them: the prompts that it holds out are `test`."""
    labelled = (pair.prompt.id for pair, label in _labelled(run) if label.p is not None)
    return write_split_preferences(folder, _labelled(run), heldout_prompts(labelled, run.config.train.heldout_fraction))


def _labelled(run: Run) -> Iterator[tuple[Pair, Label]]:
    """Raises DataError where the labels are of another constitution, judge or calibration than the run's."""
    calibration = run.calibration.digest if run.calibration else None
    made_by = (run.constitution.key, run.judge(run.config.judge).digest, calibration)
    for pair, label in zip(run.pairs(), run.labels(), strict=True):
        if (label.pair_key, label.constitution, label.judge, label.calibration) != (pair.key, *made_by):
            raise DataError(
                f"{run.folder.labels}: not what this constitution and judge make of this run's votes: give the flags "
                "that the run was made with (--judge, --set), or run `preceptor label` first"
            )
        yield pair, label


def _finished(run: Run, folder: Path, license_name: str | None, rows: dict[str, dict[str, int]]) -> str:
    reference = _reference(run)
    wrote = f"The answers are by {public_name(reference.name)}, revision {reference.revision}."
    facts = DatasetCardFacts(
        run=run.config.name,
        constitution=run.constitution,
        judges=judge_cards(run),
        labels=Counter(label.reason or "labelled" for label in run.labels()),
        rows=rows,
        policy="The answers were imported." if run.config.pairs else wrote,
        heldout_fraction=run.config.train.heldout_fraction,
        license=license_name,
    )
    write_atomically(folder / README, dataset_card(facts))
    return ", ".join(f"{sum(splits.values())} {name}" for name, splits in rows.items())
