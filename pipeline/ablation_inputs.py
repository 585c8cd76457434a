"""What an ablation starts from: the run's pairs and labels as they were trained on, and the training's summary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from constitution.errors import DataError
from constitution.files import read_records
from generate.records import Pair
from judge.label_sets import training_labels
from judge.records import Label
from pipeline.ablation_store import training_inputs
from pipeline.context import Run
from pipeline.stage_train import training_pairs
from reports.ablation.plan import Variant
from train.records import TrainPair

NEVER_CHOSEN = ("undecided", "coverage", "no_principle_applies", "vetoed")


class Material(NamedTuple):
    """The run's training, as far as it is known without its model."""

    inputs: str
    steps: int
    """Of the weights that were kept."""
    processes: int
    margin: float | None
    """On held-out pairs."""
    heldout: int
    """Pairs held out."""
    left_out: int
    """Labelled pairs that were neither trained on nor held out: too long, equal, empty."""
    pairs: list[TrainPair]
    labels: dict[str, Label]
    """Of these pairs, by key."""
    undecided: list[Label]

    def votes(self) -> Counter[str]:
        """How many of the pairs each principle voted on."""
        return Counter(share.principle for label in self.labels.values() for share in label.shares)


def material(run: Run) -> Material:
    """Raises DataError if the run is not trained, or its labels are of another constitution than it has now."""
    folder = run.folder
    for path, stage in ((folder.pairs, "generate"), (folder.labels, "label"), (folder.training, "train")):
        if not path.exists():
            raise DataError(
                f"`ablate` reads {path.name}, which `{stage}` makes: run `preceptor {stage}` with this run file first"
            )
    labels = read_records(folder.labels, Label)
    if any(label.constitution != run.constitution.key for label in labels[:1]):
        raise DataError(
            f"{folder.labels}: labels of another constitution than `{run.config.constitution}` is now: run "
            "`preceptor run` with this run file first, so that there is a policy of this one to compare with"
        )
    summary = json.loads(folder.training.read_text(encoding="utf-8"))
    inputs = training_inputs(run)
    assert inputs is not None
    pairs = training_pairs(read_records(folder.pairs, Pair), labels)
    trained = {pair.key for pair in pairs}
    return Material(
        inputs=inputs,
        steps=summary["kept_step"],
        processes=summary["processes"],
        margin=(summary["heldout"] or {}).get("margin"),
        heldout=summary["heldout_pairs"],
        left_out=sum(summary["left_out"].values()),
        pairs=pairs,
        labels={label.pair_key: label for label in labels if label.pair_key in trained},
        undecided=[label for label in labels if label.reason in NEVER_CHOSEN],
    )


def check_measurable(found: Material, answers: int) -> None:
    """Raises DataError if there would be nothing to measure."""
    if not found.heldout and not answers:
        raise DataError(
            "the run holds no pairs out of training, so there are no margins to compare: set `train.heldout_fraction` "
            "above 0 and run it again, or have the retrained policies answer held-out prompts with `--answers N`"
        )


def labels_at(run: Run, found: Material, variant: Variant, seed: int) -> dict[str, float | None]:
    """p by pair key under this label set."""
    return training_labels(found.labels.values(), run.constitution, variant.at(seed))


def wanted_labels(
    run: Run, found: Material, variants: Sequence[Variant], seeds: Sequence[int]
) -> Mapping[tuple[str, int], dict[str, float | None]]:
    """The labels of every retraining, seed by seed, by the variant's name and the seed."""
    return {(variant.name, seed): labels_at(run, found, variant, seed) for seed in seeds for variant in variants}
