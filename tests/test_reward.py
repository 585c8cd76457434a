"""A reward model as judge: scores against a slow oracle, each answer scored once, wrong checkpoints refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from constitution.errors import ModelError
from constitution.store import Store
from generate.engine import Conversation, Failure, ModelRef
from generate.models import resolve_model
from generate.records import Message
from generate.tokens import load_tokenizer
from judge.ask import collect_votes, judge_pairs
from judge.interface import Judge
from judge.judges import open_judge
from judge.labels import label_pair
from judge.records import Vote
from judge.reward_model import RewardModel
from judge.settings import RewardModelJudge
from pipeline.run import run_pipeline
from tests.judging import PRINCIPLES, a_constitution, a_pair, a_prompt
from tests.runs import write_run
from tests.tiny import save_tiny, tiny_llama

ANSWERS = ["Yes.", "It is quite far, I am afraid.", "No, " + "not at all, " * 20 + "no.", "Perhaps", ""]
CONSTITUTION = a_constitution(PRINCIPLES[:1])


def save_classifier(source: ModelRef, folder: Path, labels: int = 1, pad: bool = True) -> ModelRef:
    """A random Llama of two layers with a score head, and the small model's tokenizer."""
    from transformers import LlamaForSequenceClassification

    tokenizer = load_tokenizer(source)
    config = tiny_llama(
        tokenizer,
        max_position_embeddings=256,
        initializer_range=0.3,
        num_labels=labels,
        pad_token_id=tokenizer.pad_token_id if pad else None,
    )
    return save_tiny(LlamaForSequenceClassification, config, tokenizer, folder, seed=1)


@pytest.fixture(scope="module")
def classifier(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return save_classifier(tiny_model, tmp_path_factory.mktemp("reward"))


class Counting(RewardModel):
    """The real one, counting what it scores."""

    scored = 0

    def score(self, conversations: Sequence[Conversation]) -> list[float | Failure]:
        """As it is."""
        self.scored += len(conversations)
        return super().score(conversations)


def judge_with(scorer: RewardModel, **settings: object) -> Judge:
    chosen = RewardModelJudge.model_validate({"kind": "reward-model", "model": scorer.model.name} | settings)
    return open_judge("reward", chosen, CONSTITUTION, scorer.model, scorer=lambda: scorer)


@lru_cache
def opened(path: str) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    return AutoTokenizer.from_pretrained(path), AutoModelForSequenceClassification.from_pretrained(path)


def oracle(model: ModelRef, conversation: Conversation) -> float:
    """transformers' own class on one conversation, without a batch and without padding."""
    import torch

    tokenizer, classifier = opened(model.path)
    chat = [message.model_dump() for message in conversation]
    ids = torch.tensor([tokenizer.apply_chat_template(chat, tokenize=True, return_dict=False)])
    with torch.inference_mode():
        return float(classifier(input_ids=ids).logits[0, 0])


def chat(answer: str) -> tuple[Message, ...]:
    return (Message(role="user", content="Is it far?"), Message.model_construct(role="assistant", content=answer))


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_scores_are_those_of_one_answer_at_a_time(classifier: ModelRef, batch_size: int) -> None:
    conversations = [chat(answer) for answer in ANSWERS]
    scores = RewardModel(classifier, "float32", batch_size).score(conversations)
    assert scores == pytest.approx([oracle(classifier, c) for c in conversations], abs=1e-4)
    assert len({round(score, 3) for score in scores if isinstance(score, float)}) == len(ANSWERS)


def test_without_a_padding_token_rows_are_scored_alone(tiny_model: ModelRef, tmp_path: Path) -> None:
    model = save_classifier(tiny_model, tmp_path, pad=False)
    conversations = [chat(answer) for answer in ANSWERS]
    scores = RewardModel(model, "float32", 16).score(conversations)
    assert scores == pytest.approx([oracle(model, c) for c in conversations], abs=1e-4)


def test_votes_are_differences_of_scores_and_each_answer_is_scored_once(
    classifier: ModelRef, store: Store[Vote]
) -> None:
    prompt = a_prompt("Is it far?")
    texts = [answer for answer in ANSWERS if answer]
    pairs = [a_pair(one, other, prompt) for i, one in enumerate(texts) for other in texts[i + 1 :]]
    scorer = Counting(classifier, "float32", 16)
    judge = judge_with(scorer, scale=2.0, batch_pairs=2)
    count = judge_pairs(pairs, CONSTITUTION, judge, store)
    assert (count.asked, count.states, scorer.scored) == (6, {"valid": 6}, 4)
    expected = {text: oracle(classifier, (*prompt.conversation, *chat(text)[1:])) for text in texts}
    votes = collect_votes(pairs, CONSTITUTION, judge, store)
    for pair in pairs:
        (vote,) = votes[pair.key]["brief"]
        difference = expected[pair.a.text] - expected[pair.b.text]
        assert vote.logit == pytest.approx(2 * difference, abs=1e-3)
        p = label_pair(pair, votes[pair.key], CONSTITUTION, judge).p
        assert p == pytest.approx(1 / (1 + math.exp(-2 * difference)), abs=1e-3)
    assert judge_pairs(pairs, CONSTITUTION, judge_with(scorer, scale=2.0), store).asked == 0
    assert judge_pairs(pairs, CONSTITUTION, judge_with(scorer), store).asked == 6  # another scale, other votes


def test_the_other_order_is_the_exact_opposite(classifier: ModelRef, tmp_path: Path) -> None:
    judge = judge_with(RewardModel(classifier, "float32", 16))
    logits = []
    for number, (one, other) in enumerate([ANSWERS[:2], ANSWERS[1::-1]]):
        with Store(tmp_path / f"{number}.sqlite", Vote) as opened:
            pair = a_pair(one, other)
            judge_pairs([pair], CONSTITUTION, judge, opened)
            logits.append(collect_votes([pair], CONSTITUTION, judge, opened)[pair.key]["brief"][0].logit)
    assert logits[0] is not None
    assert logits[0] == -(logits[1] or 0) != 0


def test_what_is_too_long_fails_alone(classifier: ModelRef, store: Store[Vote]) -> None:
    pairs = [a_pair("Yes.", "word " * 400), a_pair("Yes.", "No.")]
    count = judge_pairs(pairs, CONSTITUTION, judge_with(RewardModel(classifier, "float32", 16)), store)
    assert (count.states, count.reasons, count.to_ask_again) == ({"failed": 1, "valid": 1}, {"too_long": 1}, 0)


def test_checkpoints_of_another_kind_are_refused(tiny_model: ModelRef, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no reward model: its architecture is LlamaForCausalLM"):
        RewardModel(tiny_model, "float32", 16)
    with pytest.raises(ModelError, match="it has 3 labels"):
        RewardModel(save_classifier(tiny_model, tmp_path / "three", labels=3), "float32", 16)


def test_a_classifier_without_its_head_is_refused(classifier: ModelRef, tmp_path: Path) -> None:
    """transformers would draw the missing weights at random, and warn."""
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(classifier.path, tmp_path / "headless")
    weights = tmp_path / "headless" / "model.safetensors"
    save_file({k: v for k, v in load_file(weights).items() if k != "score.weight"}, weights, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks the weights score\.weight"):
        RewardModel(resolve_model(str(tmp_path / "headless")), "float32", 16)


def test_a_run_is_judged_by_a_reward_model_by_its_name(
    tiny_model: ModelRef, classifier: ModelRef, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_file = write_run(tmp_path, tiny_model.path)
    text = run_file.read_text(encoding="utf-8")
    text = text.replace("judges:\n", f"judges:\n  reward: {{kind: reward-model, model: {classifier.path}}}\n")
    run_file.write_text(text, encoding="utf-8")
    run_pipeline(("generate", "judge", "label"), run_file, {"judge": "reward"}, (), tmp_path / "runs", False)
    said = capsys.readouterr().out
    assert "judge `reward`: " in said
    assert ", 0 failed" in said


def test_out_of_memory_halves_the_batch_and_goes_on(classifier: ModelRef) -> None:
    """torch itself fails to allocate, as a batch too large would make it."""
    asked = Message(role="user", content="How far?")
    conversations = [(asked, Message(role="assistant", content=answer or "-")) for answer in ANSWERS]
    whole = RewardModel(classifier, "float32", 8)
    expected = whole.score(conversations)
    small = RewardModel(classifier, "float32", 8)
    limit = 2

    def exhaust(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(named["input_ids"]) > limit:
            import torch

            torch.empty(2**60)

    small._classifier.register_forward_pre_hook(exhaust, with_kwargs=True)
    found = small.score(conversations)
    assert all(isinstance(one, float) for one in found)
    assert found == pytest.approx(expected, abs=1e-5)
    limit = 0
    with pytest.raises(ModelError, match="ran out of memory on a single answer"):
        small.score(conversations)
