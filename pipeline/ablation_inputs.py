"""What an ablation starts from: the run's pairs and labels as they were trained on, and the training's summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from constitution.errors import DataError
from constitution.read_json import read_object
from judge.label_sets import training_labels
from judge.records import Label
from pipeline.context import Run
from pipeline.judged import read_labelled
from pipeline.stage import check_made
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


def material(run: Run, reader: str = "ablate") -> Material:
    """Raises DataError if the run is not trained, or its labels are of another constitution than it has now."""
    pairs, labels, _ = read_labelled(run, reader)
    check_made(run, [run.folder.training], reader, "train")
    needs = ("inputs", "kept_step", "processes", "heldout", "heldout_pairs", "left_out")
    summary = read_object(run.folder.training, needs)
    items = training_pairs(pairs, labels)
    trained = {pair.key for pair in items}
    return Material(
        inputs=summary["inputs"],
        steps=summary["kept_step"],
        processes=summary["processes"],
        margin=(summary["heldout"] or {}).get("margin"),
        heldout=summary["heldout_pairs"],
        left_out=sum(summary["left_out"].values()),
        pairs=items,
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
    same = {one.name: labels_at(run, found, one, seeds[0]) for one in variants if not one.seeded}
    return {
        (one.name, seed): labels_at(run, found, one, seed) if one.seeded else same[one.name]
        for seed in seeds
        for one in variants
    }
