"""Labels as a preference data set that other trainers read: TRL's conversational columns, and ours beside them.

    datasets.load_dataset("parquet", data_files="runs/NAME/40-preferences.parquet")

`prompt`, `chosen` and `rejected` are lists of messages, as TRL's DPOTrainer takes them; `p` is the probability that
chosen is better (at least 0.5), `principles`, `weights` and `principle_p` the shares behind it, in one order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from constitution.files import replacing
from generate.records import Pair, Response
from judge.labels import oriented
from judge.records import Label


def preference_rows(pairs: Sequence[Pair], labels: Iterable[Label]) -> list[dict[str, Any]]:
    """One row for each labelled pair, chosen being the answer with p >= 0.5."""
    by_key = {pair.key: pair for pair in pairs}
    return [_row(by_key[label.pair_key], label) for label in labels if label.p is not None]


def _row(pair: Pair, label: Label) -> dict[str, Any]:
    turned = oriented(label, pair)
    return {
        "prompt": [message.model_dump() for message in pair.prompt.conversation],
        "chosen": _answer(turned.chosen),
        "rejected": _answer(turned.rejected),
        "p": turned.p,
        "principles": [share.principle for share in turned.shares],
        "weights": [share.weight for share in turned.shares],
        "principle_p": [share.p for share in turned.shares],
        "pair_key": pair.key,
        "prompt_id": pair.prompt.id,
        "constitution": label.constitution,
        "judge": label.judge,
    }


def _answer(response: Response) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": response.text}]


def write_preferences(path: Path, pairs: Sequence[Pair], labels: Iterable[Label]) -> None:
    """Write the rows as Parquet, with explicit column types, atomically."""
    from datasets import Dataset, Features, List, Value, disable_progress_bars

    disable_progress_bars()
    messages = List({"role": Value("string"), "content": Value("string")})
    text, number = Value("string"), Value("float64")
    features = Features(
        {
            "prompt": messages,
            "chosen": messages,
            "rejected": messages,
            "p": number,
            "principles": List(text),
            "weights": List(number),
            "principle_p": List(number),
            **dict.fromkeys(("pair_key", "prompt_id", "constitution", "judge"), text),
        }
    )
    with replacing(path) as stream:
        Dataset.from_list(preference_rows(pairs, labels), features=features).to_parquet(stream)
