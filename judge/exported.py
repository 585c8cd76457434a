"""A run as a data set in the Hugging Face form: folders of Parquet shards, one configuration each.

    preferences   the labelled pairs in TRL's columns, see export.py; split in `train` and, if any are held out, `test`
    labels        every pair, both answers, its label or why it has none, and each principle's share
    votes         every vote behind them
    principles    what was asked

`labels` and `principles` together are what judge/imports/exported.py reads back.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from constitution.model import Constitution, Principle
from constitution.store import Store
from generate.records import Pair
from judge.ask import stored_votes
from judge.export import message_list, preference_columns, preference_row
from judge.interface import Judge
from judge.records import Label, Vote
from judge.shards import SplitRow, write_shards


def label_row(pair: Pair, label: Label) -> dict[str, Any]:
    """One pair. `p` is the probability that response_a is better, of a share too."""
    return {
        "pair_key": pair.key,
        "prompt_id": pair.prompt.id,
        "tags": list(pair.prompt.tags),
        "prompt": [{"role": message.role, "content": message.content} for message in pair.prompt.conversation],
        "response_a": pair.a.text,
        "response_b": pair.b.text,
        "p": label.p,
        "reason": label.reason,
        "rule": label.rule,
        "decided_by": list(label.decided_by),
        "shares": [share.model_dump() for share in label.shares],
        "missing": [{"principle": principle, "reason": reason} for principle, reason in label.missing],
        "constitution": label.constitution,
        "judge": label.judge,
        "calibration": label.calibration,
    }


def vote_row(principle: str, vote: Vote) -> dict[str, Any]:
    """One vote. `logit` is that of the response shown first, which is `a` where `order` is `ab`."""
    asked = vote.request
    return {
        "pair_key": asked.pair_key,
        "principle": principle,
        "order": asked.order,
        "replicate": asked.replicate,
        "judge": asked.judge,
        **vote.model_dump(exclude={"request"}),
    }


def principle_row(principle: Principle) -> dict[str, Any]:
    """One principle, as the constitution has it in the end."""
    return {
        "id": principle.id,
        "text": principle.text,
        "weight": principle.weight,
        "polarity": principle.polarity,
        "axis": principle.axis,
        "scope": list(principle.scope),
        "source": principle.source,
        "key": principle.key,
    }


def write_split_preferences(
    folder: Path, labelled: Iterable[tuple[Pair, Label]], heldout: Container[str]
) -> dict[str, int]:
    """The labelled pairs; those whose prompt's id is in `heldout` as split `test`. Returns the rows of each split."""
    return write_shards(
        folder / "preferences",
        preference_columns(),
        (
            SplitRow("test" if pair.prompt.id in heldout else "train", preference_row(pair, label))
            for pair, label in labelled
            if label.p is not None
        ),
    )


def _all_train(rows: Iterable[Mapping[str, Any]]) -> Iterator[SplitRow]:
    return (SplitRow("train", row) for row in rows)


def write_labels(folder: Path, labelled: Iterable[tuple[Pair, Label]]) -> dict[str, int]:
    """Every pair with its label, or the reason why it has none. Returns the rows of each split, here and below."""
    import pyarrow as pa

    text, number, texts = pa.string(), pa.float64(), pa.list_(pa.string())
    share = pa.struct([("principle", text), ("weight", number), ("p", number), ("position_bias", number)])
    missing = pa.struct([("principle", text), ("reason", text)])
    columns = {"pair_key": text, "prompt_id": text, "tags": texts, "prompt": message_list()}
    columns |= {"response_a": text, "response_b": text, "p": number, "reason": text, "rule": text, "decided_by": texts}
    columns |= {"shares": pa.list_(share), "missing": pa.list_(missing)}
    columns |= {"constitution": text, "judge": text, "calibration": text}
    rows = _all_train(label_row(pair, label) for pair, label in labelled)
    return write_shards(folder / "labels", columns, rows)


def write_votes(
    folder: Path, pairs: Iterable[Pair], constitution: Constitution, judge: Judge, store: Store[Vote]
) -> dict[str, int]:
    """Every stored vote of these pairs under this constitution by this judge."""
    import pyarrow as pa

    text, number, count = pa.string(), pa.float64(), pa.int64()
    columns = {"pair_key": text, "principle": text, "order": text, "replicate": count, "judge": text, "state": text}
    columns |= {"reason": text, "logit": number, "missing_mass": number, "rationale": text, "raw": text}
    columns |= {"tokens_in": count, "tokens_out": count}
    rows = _all_train(_vote_rows(stored_votes(pairs, constitution, judge, store)))
    return write_shards(folder / "votes", columns, rows)


def _vote_rows(given: Iterable[tuple[Pair, Mapping[str, Iterable[Vote]]]]) -> Iterator[dict[str, Any]]:
    for _, by_principle in given:
        for principle, votes in by_principle.items():
            yield from (vote_row(principle, vote) for vote in votes)


def write_principles(folder: Path, constitution: Constitution) -> dict[str, int]:
    """The constitution's principles."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    columns = {"id": text, "text": text, "weight": pa.float64(), "polarity": text, "axis": text, "scope": texts}
    columns |= {"source": text, "key": text}
    return write_shards(folder / "principles", columns, _all_train(map(principle_row, constitution.principles)))
