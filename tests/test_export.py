"""Labels leave as a preference data set that TRL trains on unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from generate.records import Message, Pair, Prompt, Response
from judge.export import write_preferences
from judge.records import Label, Share


def pair_of(prompt: Prompt, a: str, b: str) -> Pair:
    def response(text: str, index: int) -> Response:
        return Response(prompt_key=prompt.key, text=text, finish="stop", tokens=3, sampler="s", seed=1, index=index)

    return Pair(prompt=prompt, a=response(a, 0), b=response(b, 1))


def label_of(pair: Pair, p: float | None) -> Label:
    shares = (Share(principle="short", weight=1.0, p=p),) if p is not None else ()
    reason = None if p is not None else "undecided"
    return Label(
        pair_key=pair.key, constitution="c", judge="j", rule="weighted_mean", p=p, reason=reason, shares=shares
    )


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    talk = Prompt(
        id="talk",
        messages=(
            Message(role="user", content="Hi"),
            Message(role="assistant", content="Hello"),
            Message(role="user", content="More?"),
        ),
    )
    pairs = [
        pair_of(Prompt(id="q", prompt="Why?"), "long answer", "short"),
        pair_of(talk, "yes", "no"),
        pair_of(Prompt(id="z", prompt="What?"), "x", "y"),
    ]
    path = tmp_path / "preferences.parquet"
    write_preferences(path, [(pair, label_of(pair, p)) for pair, p in zip(pairs, (0.2, 0.75, None), strict=True)])
    return path


def test_the_more_probable_answer_is_chosen_and_unlabelled_pairs_are_left_out(data_set: Path) -> None:
    from datasets import load_dataset

    rows = load_dataset("parquet", data_files=str(data_set), cache_dir=str(data_set.parent / "cache"))["train"]
    assert len(rows) == 2
    first, second = rows[0], rows[1]
    assert first["prompt"] == [{"role": "user", "content": "Why?"}]
    assert first["chosen"] == [{"role": "assistant", "content": "short"}]
    assert first["rejected"] == [{"role": "assistant", "content": "long answer"}]
    assert first["p"] == pytest.approx(0.8)
    assert first["principle_p"] == [pytest.approx(0.8)]
    assert [m["role"] for m in second["prompt"]] == ["user", "assistant", "user"]
    assert second["chosen"][0]["content"] == "yes"
    assert second["p"] == 0.75


def test_trl_recognises_the_columns_as_conversational_preferences(data_set: Path) -> None:
    from datasets import load_dataset
    from trl.data_utils import is_conversational

    rows = load_dataset("parquet", data_files=str(data_set), cache_dir=str(data_set.parent / "cache"))["train"]
    assert is_conversational(rows[0])
    assert {"prompt", "chosen", "rejected"} <= set(rows.column_names)
