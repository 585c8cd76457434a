"""Stage `label`: votes -> labels by the constitution's rule. Writes 40-labels.jsonl, and
40-preferences.parquet for other trainers. Asks no judge."""

from __future__ import annotations

from collections.abc import Sequence

from constitution.errors import DataError
from constitution.files import read_records, write_records
from constitution.identity import file_digest
from generate.records import Pair
from judge.ask import collect_votes
from judge.calibration import calibration_inputs, calibration_lines
from judge.export import write_preferences
from judge.labels import label_counts, label_pair, select_best_worst
from judge.records import Label
from pipeline.context import Run
from pipeline.stage import Stage
from pipeline.stage_judge import read_account


def _inputs(run: Run) -> dict[str, str]:
    return {
        "pairs": file_digest(run.folder.pairs),
        "votes": read_account(run)["digest"],
        "constitution": run.constitution.key,
        "pairing": run.config.generate.pairing,
        **calibration_inputs(run.calibration),
    }


def make_labels(run: Run, pairs: Sequence[Pair]) -> list[Label]:
    """Label every pair from the stored votes; with `best_worst`, keep one pair a prompt."""
    judge = run.judge(run.config.judge)
    with run.vote_store() as store:
        votes = collect_votes(pairs, run.constitution, judge, store)
    labels = [label_pair(pair, votes.get(pair.key, {}), run.constitution, judge, run.calibration) for pair in pairs]
    return select_best_worst(pairs, labels) if run.config.generate.pairing == "best_worst" else labels


def _execute(run: Run) -> list[str]:
    pairs = read_records(run.folder.pairs, Pair)
    labels = make_labels(run, pairs)
    counts = label_counts(labels)
    if not counts.get("labelled"):
        raise DataError(f"no pair got a label ({_listed(counts)}): see `aggregation` in the constitution")
    write_records(run.folder.labels, labels)
    write_preferences(run.folder.preferences, pairs, labels)
    return [f"{len(labels)} pairs: {_listed(counts)}", *calibration_lines(run.calibration)]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in counts.items())


LABEL = Stage(
    name="label",
    needs=("generate", "judge"),
    inputs=_inputs,
    outputs=lambda folder: [folder.labels, folder.preferences],
    execute=_execute,
    preview=lambda run: ["labels from the stored votes; no judge is asked"],
)
