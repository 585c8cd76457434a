"""Token ids of pairs: one end of turn, the boundary between prompt and answer, what is left out and why."""

from __future__ import annotations

from typing import Any

import pytest

from constitution.errors import ModelError
from generate.records import Message
from tests.training import tiny_tokenizer
from train.records import TrainPair
from train.tokens import EMPTY, SAME_TOKENS, SPECIAL, TOO_LONG, TokenPair, pair_tokens, tokenise


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer()


def pair(a: str, b: str, **changes: Any) -> TrainPair:
    conversation = (Message(role="system", content="Be brief."), Message(role="user", content="How is the river?"))
    return TrainPair(key="k", prompt_id="p", conversation=conversation, a=a, b=b, p=0.7, **changes)


def stops(tokenizer: Any) -> frozenset[int]:
    return frozenset([tokenizer.eos_token_id])


def test_prompt_and_answers_spell_the_template(tokenizer: Any) -> None:
    found = pair_tokens(pair("It is calm.", "It is loud."), tokenizer)
    assert tokenizer.decode(found.prompt) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHow is the river?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.decode(found.a) == "It is calm.<|im_end|>\n"
    assert tokenizer.decode(found.b) == "It is loud.<|im_end|>\n"


def test_a_cut_answer_is_not_taught_to_stop(tokenizer: Any) -> None:
    found = pair_tokens(pair("It is calm in the", "It is loud.", a_finished=False), tokenizer)
    assert tokenizer.decode(found.a) == "It is calm in the"
    assert tokenizer.decode(found.b) == "It is loud.<|im_end|>\n"
    whole = pair_tokens(pair("It is calm in the", "It is loud."), tokenizer)
    assert whole.a[: len(found.a)] == found.a
    assert sum(token == tokenizer.eos_token_id for token in whole.a) == 1


def test_ids_are_trls(tokenizer: Any) -> None:
    """TRL tokenises prompt, prompt + chosen and prompt + rejected and cuts at the common prefix."""
    dpo_trainer = pytest.importorskip("trl.trainer.dpo_trainer", reason="needs the extra `dev`")
    ids_of, common = dpo_trainer._tokenize, dpo_trainer.common_prefix_length

    one = pair("It is calm.", "It is loud in the evening.")
    prompt = [message.model_dump() for message in one.conversation]
    ids = [
        ids_of(tokenizer, prompt, add_generation_prompt=True)["input_ids"],
        *(ids_of(tokenizer, [*prompt, {"role": "assistant", "content": x}])["input_ids"] for x in (one.a, one.b)),
    ]
    start = min(common(ids[0], whole) for whole in ids[1:])
    assert pair_tokens(one, tokenizer) == TokenPair(one, ids[0][:start], ids[1][start:], ids[2][start:])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (pair("word " * 60, "It is loud."), TOO_LONG),
        (pair("It is calm.", "It is calm."), SAME_TOKENS),
        (pair("", "It is calm.", a_finished=False), EMPTY),
        (pair("Stop<|im_end|>here", "It is calm."), SPECIAL),
        (pair("Cut<|im_end|>", "It is calm.", a_finished=False), SPECIAL),
    ],
)
def test_unusable_pairs_are_counted_by_reason(tokenizer: Any, given: TrainPair, reason: str) -> None:
    good = pair("It is calm.", "It is loud.")
    found = tokenise([good, given, given], tokenizer, stops(tokenizer), max_length=100)
    assert [tokens.pair for tokens in found.pairs] == [good]
    assert found.left_out == {reason: 2}


def test_an_empty_finished_answer_is_one_end_of_turn(tokenizer: Any) -> None:
    found = pair_tokens(pair("", "It is calm."), tokenizer)
    assert tokenizer.decode(found.a) == "<|im_end|>\n"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "no chat template"),
        ("{% for m in messages %}{{ m['role'] + ': ' + m['content'] }}{% endfor %}", "with 0 stop tokens"),
        ("{% for m in messages %}{{ m['content'] + '<|im_end|><|im_end|>' }}{% endfor %}", "with 2 stop tokens"),
        (
            "{{ '<|im_start|><|im_start|>' }}{% for m in messages %}{{ m['content'] + '<|im_end|>' }}{% endfor %}",
            "beginning-of-sequence token twice",
        ),
    ],
)
def test_templates_that_would_teach_the_wrong_end_are_refused(template: str | None, message: str) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=message):
        tokenise([pair("a", "b")], tokenizer, stops(tokenizer), max_length=100)
