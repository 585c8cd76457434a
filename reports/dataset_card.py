"""The card of an exported data set, README.md in its folder: what is in it, by which constitution and judges, how many.

`configs` in its head is what `datasets.load_dataset` goes by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from constitution.model import Constitution
from reports.card_parts import JudgeCard, escaped, labels_section, principles_section, table

CONTENTS = {
    "preferences": "the labelled pairs in TRL's columns; chosen is the answer with p of at least 0.5",
    "labels": "every pair, its label or why it has none, and each principle's share",
    "votes": "every vote: one principle, one pair, one order",
    "principles": "what was asked",
}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))


class DatasetCardFacts(NamedTuple):
    """Everything on the card. `rows`: of each configuration in the folder, the default one first."""

    run: str
    constitution: Constitution
    judges: tuple[JudgeCard, ...]
    labels: Mapping[str, int]
    rows: Mapping[str, int]
    policy: str
    """Which model wrote the answers, or that they were imported."""
    license: str | None


def dataset_card(facts: DatasetCardFacts) -> str:
    """The whole README.md, with the metadata that the Hugging Face hub and `datasets` read at its head."""
    from huggingface_hub import DatasetCard, DatasetCardData

    first = next(iter(facts.rows))
    metadata = DatasetCardData(
        license=facts.license,
        pretty_name=facts.run,
        size_categories=size_category(facts.rows[first]),
        task_categories=["text-generation"],
        tags=["preceptor", "preference", "rlaif", "trl"],
        configs=[_configuration(name, name == first) for name in facts.rows],
    )
    blocks = [_head(facts), _contents(facts), principles_section(facts.constitution)]
    blocks += [labels_section(facts.judges, facts.labels), _license(facts.license)]
    return str(DatasetCard(f"---\n{metadata.to_yaml()}\n---\n\n" + "\n\n".join(blocks) + "\n"))


def size_category(rows: int) -> str:
    """The hub's word for a number of rows."""
    return next((name for bound, name in SIZES if rows < bound), "10M<n<100M")


def _configuration(name: str, default: bool) -> dict[str, object]:
    files = [{"split": "train", "path": f"{name}/train.parquet"}]
    return {"config_name": name, "data_files": files} | ({"default": True} if default else {})


def _head(facts: DatasetCardFacts) -> str:
    return (
        f"# {escaped(facts.run)}\n\nPairs of answers, labelled by Preceptor with the constitution "
        f"{escaped(facts.constitution.name)}. {escaped(facts.policy)} Pairs that the training held out are among them."
    )


def _contents(facts: DatasetCardFacts) -> str:
    rows = [[name, str(count), CONTENTS[name]] for name, count in facts.rows.items()]
    loaded = next(iter(facts.rows))
    load = f'    datasets.load_dataset("THIS", "{loaded}", split="train")'
    return f"## Contents\n\n{table(['configuration', 'rows', 'what it is'], rows)}\n\n{load}"


def _license(name: str | None) -> str:
    said = f"{escaped(name)}." if name else "None is stated: who publishes this has to choose one."
    return f"## Licence\n\n{said}"
