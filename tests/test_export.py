"""Labels leave as a preference data set that TRL trains on unchanged."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from generate.records import Message, Pair, Prompt, Response
from judge.export import write_preferences
from judge.records import Label, Share
from tests.training import save_tiny_model, tiny_tokenizer


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


def test_trl_trains_on_it_as_it_is(data_set: Path, tmp_path: Path) -> None:
    """The file as written, our columns included, through DPOTrainer for a step: the weights move."""
    trl = pytest.importorskip("trl", reason="TRL comes with the extra `dev`")
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM

    model = save_tiny_model(tmp_path / "model")
    policy = AutoModelForCausalLM.from_pretrained(model.path)
    before = policy.lm_head.weight.detach().clone()
    rows = load_dataset("parquet", data_files=str(data_set), cache_dir=str(tmp_path / "cache"), split="train")
    arguments = trl.DPOConfig(
        output_dir=str(tmp_path / "trl"), max_steps=1, bf16=False, use_cpu=True, report_to="none", disable_tqdm=True
    )
    trainer = trl.DPOTrainer(policy, args=arguments, train_dataset=rows, processing_class=tiny_tokenizer())
    trainer.train()
    assert trainer.state.log_history[-1]["train_loss"] == pytest.approx(math.log(2), abs=1e-3)
    assert not torch.equal(policy.lm_head.weight, before)
