"""Stage `label`: votes -> labels by the constitution's rule. Writes 40-labels.jsonl, and
40-preferences.parquet for other trainers. Asks no judge.

Pairs are read, labelled and written as they come. Where only weights or the rule have changed, the shares of the last
labels are used again, and no vote is read: the labels are the same, bit for bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import BinaryIO, TypeAlias

from pydantic import JsonValue

from constitution.errors import DataError
from constitution.files import replacing
from constitution.identity import digest, file_digest
from constitution.scratch import SeenKeys
from generate.records import Pair
from judge.ask import stored_votes
from judge.calibration import calibration_inputs, calibration_lines
from judge.export import write_preferences
from judge.labels import label_pair, relabel, select_best_worst
from judge.preferring import preference_warnings
from judge.records import Label
from pipeline.config import RunConfig
from pipeline.context import Run
from pipeline.folder import changed_inputs
from pipeline.stage import Stage
from pipeline.stage_judge import read_account
from pipeline.used import settings_of, voters

Labelled: TypeAlias = tuple[Pair, Label]
WEIGHED = "constitution"
"""The only input that labels can change with while their shares stay: weights and the rule; all else is in others."""


def _inputs(run: Run) -> dict[str, str]:
    principles = sorted([p.id, p.key, sorted(p.scope)] for p in run.constitution.principles)
    return {
        "pairs": file_digest(run.folder.pairs),
        "votes": read_account(run)["digest"],
        "judge": run.judge(run.config.judge).digest,
        "principles": digest("principles", principles=principles),
        "drawn by pair": str(run.constitution.aggregation.rule == "random_principle"),
        WEIGHED: run.constitution.key,
        "pairing": run.config.generate.pairing,
        **calibration_inputs(run.calibration),
    }


def _uses(config: RunConfig) -> dict[str, JsonValue]:
    plain = ("constitution", "judge", "sources", "votes")
    return settings_of(config, *plain, judges=voters(config), generate=["pairing"])


def labels_of(run: Run, reuse_shares: bool) -> Iterator[Labelled]:
    """Every pair with its label; with `best_worst`, one pair a prompt keeps its label."""
    labelled = _from_shares(run) if reuse_shares else _from_votes(run)
    return select_by_prompt(labelled) if run.config.generate.pairing == "best_worst" else labelled


def shares_hold(run: Run) -> bool:
    """Whether the labels that the stage left last are there, untouched, and of these very votes."""
    stamp = run.folder.stamp("label")
    if stamp is None or not run.folder.labels.exists():
        return False
    only_weighed = set(changed_inputs(stamp, _inputs(run))) <= {WEIGHED}
    return only_weighed and stamp.left.get(run.folder.labels.name) == file_digest(run.folder.labels)


def _from_shares(run: Run) -> Iterator[Labelled]:
    for pair, label in zip(run.pairs(), run.labels(), strict=True):
        yield pair, relabel(label, run.constitution)


def _from_votes(run: Run) -> Iterator[Labelled]:
    judge = run.judge(run.config.judge)
    with run.judged_votes() as store:
        for pair, votes in stored_votes(run.pairs(), run.constitution, judge, store):
            yield pair, label_pair(pair, votes, run.constitution, judge, run.calibration)


def select_by_prompt(labelled: Iterable[Labelled]) -> Iterator[Labelled]:
    """`select_best_worst` one prompt at a time. Raises DataError where a prompt's pairs are not neighbours."""
    with SeenKeys() as seen:
        for key, group in groupby(labelled, key=lambda row: row[0].prompt.key):
            rows = list(group)
            if not seen.add([key]):
                raise DataError(
                    f"the pairs of prompt `{rows[0][0].prompt.id}` are not next to each other in the pairs' file, and "
                    "`pairing: best_worst` compares them all: sort the file by prompt"
                )
            pairs, labels = zip(*rows, strict=True)
            yield from zip(pairs, select_best_worst(pairs, labels), strict=True)


def _written(labelled: Iterable[Labelled], stream: BinaryIO, counts: Counter[str]) -> Iterator[Labelled]:
    """Each label written and counted on its way. Raises DataError at the end if no pair has one."""
    for pair, label in labelled:
        stream.write(label.model_dump_json().encode("utf-8") + b"\n")
        counts["labelled" if label.reason is None else label.reason] += 1
        yield pair, label
    if not counts["labelled"]:
        raise DataError(f"no pair got a label ({_listed(counts)}): see `aggregation` in the constitution")


def _execute(run: Run) -> list[str]:
    counts, reuse = Counter[str](), shares_hold(run)
    how = "re-weighted from the shares of the last labels" if reuse else "made from the votes"
    with replacing(run.folder.labels) as stream:
        write_preferences(run.folder.preferences, _written(labels_of(run, reuse), stream, counts))
    lines = [f"{counts.total()} pairs: {_listed(counts)}", f"labels {how}", *calibration_lines(run.calibration)]
    return lines + [f"warning: {line}" for line in preference_warnings(counts)]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in counts.items() if count)


LABEL = Stage(
    name="label",
    needs=("generate", "judge"),
    inputs=_inputs,
    uses=_uses,
    outputs=lambda folder: [folder.labels, folder.preferences],
    execute=_execute,
    preview=lambda run: ["labels from the stored votes; no judge is asked"],
    keeps=lambda folder: [folder.labels],
)
