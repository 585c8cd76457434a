"""The card of an exported data set, README.md in its folder: what is in it, by which constitution and judges, how many.

`configs` in its head is what `datasets.load_dataset` goes by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from constitution.model import Constitution
from judge.shards import shard_pattern
from reports.card_parts import JudgeCard, escaped, labels_section, principles_section, table

CONTENTS = {
    "preferences": "the labelled pairs in TRL's columns; chosen is the answer with p of at least 0.5",
    "labels": "every pair, its label or why it has none, and each principle's share",
    "votes": "every vote: one principle, one pair, one order",
    "principles": "what was asked",
}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))


class DatasetCardFacts(NamedTuple):
    """Everything on the card. `rows`: of each configuration in the folder, the default one first, and split."""

    run: str
    constitution: Constitution
    judges: tuple[JudgeCard, ...]
    labels: Mapping[str, int]
    rows: Mapping[str, Mapping[str, int]]
    policy: str
    """Which model wrote the answers, or that they were imported."""
    license: str | None
    heldout_fraction: float
    """Of the prompts, those whose preferences are split `test`."""


def dataset_card(facts: DatasetCardFacts) -> str:
    """The whole README.md, with the metadata that the Hugging Face hub and `datasets` read at its head."""
    from huggingface_hub import DatasetCard, DatasetCardData

    first = next(iter(facts.rows))
    metadata = DatasetCardData(
        license=facts.license,
        pretty_name=facts.run,
        size_categories=size_category(sum(facts.rows[first].values())),
        task_categories=["text-generation"],
        tags=["preceptor", "preference", "rlaif", "trl"],
        configs=[_configuration(name, splits, name == first) for name, splits in facts.rows.items()],
    )
    blocks = [_head(facts), _contents(facts), principles_section(facts.constitution)]
    blocks += [labels_section(facts.judges, facts.labels), _license(facts.license)]
    return str(DatasetCard(f"---\n{metadata.to_yaml()}\n---\n\n" + "\n\n".join(blocks) + "\n"))


def size_category(rows: int) -> str:
    """The hub's word for a number of rows."""
    return next((name for bound, name in SIZES if rows < bound), "10M<n<100M")


def _configuration(name: str, splits: Iterable[str], default: bool) -> dict[str, object]:
    files = [{"split": split, "path": shard_pattern(name, split)} for split in sorted(splits, reverse=True)]
    return {"config_name": name, "data_files": files} | ({"default": True} if default else {})


def _head(facts: DatasetCardFacts) -> str:
    split = (
        " The preferences' split test is what Preceptor's training holds out: the pairs of "
        f"{facts.heldout_fraction:.0%} of their prompts."
        if any("test" in splits for splits in facts.rows.values())
        else ""
    )
    return (
        f"# {escaped(facts.run)}\n\nPairs of answers, labelled by Preceptor with the constitution "
        f"{escaped(facts.constitution.name)}. {escaped(facts.policy)}{split}"
    )


def _contents(facts: DatasetCardFacts) -> str:
    rows = [
        [name, split, str(count), CONTENTS[name]]
        for name, splits in facts.rows.items()
        for split, count in sorted(splits.items(), reverse=True)
    ]
    loaded = next(iter(facts.rows))
    load = f'    datasets.load_dataset("THIS", "{loaded}", split="train")'
    return f"## Contents\n\n{table(['configuration', 'split', 'rows', 'what it is'], rows)}\n\n{load}"


def _license(name: str | None) -> str:
    said = f"{escaped(name)}." if name else "None is stated: who publishes this has to choose one."
    return f"## Licence\n\n{said}"
