"""Labels as a preference data set that other trainers read: TRL's conversational columns, and ours beside them.

    datasets.load_dataset("parquet", data_files="runs/NAME/40-preferences.parquet")

`prompt`, `chosen` and `rejected` are lists of messages, as TRL's DPOTrainer takes them; `p` is the probability that
chosen is better (at least 0.5), `principles`, `weights` and `principle_p` the shares behind it, in one order.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from constitution.chunks import batched
from constitution.files import replacing
from generate.records import Pair, Response
from judge.labels import oriented
from judge.records import Label
from judge.shards import ROWS_AT_ONCE


def preference_row(pair: Pair, label: Label) -> dict[str, Any]:
    """A labelled pair, chosen being the answer with p >= 0.5."""
    turned = oriented(label, pair)
    return {
        "prompt": [{"role": message.role, "content": message.content} for message in pair.prompt.conversation],
        "chosen": _answer(turned.chosen),
        "rejected": _answer(turned.rejected),
        "p": turned.p,
        "principles": [share.principle for share in turned.shares],
        "weights": [share.weight for share in turned.shares],
        "principle_p": [share.p for share in turned.shares],
        "pair_key": label.pair_key,
        "prompt_id": pair.prompt.id,
        "constitution": label.constitution,
        "judge": label.judge,
    }


def _answer(response: Response) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": response.text}]


def write_preferences(path: Path, labelled: Iterable[tuple[Pair, Label]]) -> None:
    """Write the pairs that have a label as one Parquet file, atomically, some rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(list(preference_columns().items()))
    rows = (preference_row(pair, label) for pair, label in labelled if label.p is not None)
    with replacing(path) as stream, parquet.ParquetWriter(stream, schema) as writer:
        for chunk in batched(rows, ROWS_AT_ONCE):
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))


def preference_columns() -> dict[str, Any]:
    """The Parquet types of `preference_row`."""
    import pyarrow as pa

    messages = message_list()
    numbers, texts = pa.list_(pa.float64()), pa.list_(pa.string())
    columns = {"prompt": messages, "chosen": messages, "rejected": messages, "p": pa.float64()}
    columns |= {"principles": texts, "weights": numbers, "principle_p": numbers}
    return columns | dict.fromkeys(("pair_key", "prompt_id", "constitution", "judge"), pa.string())


def message_list() -> Any:
    """The Parquet type of a conversation."""
    import pyarrow as pa

    return pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
