"""The judge by model on the real transformers engine: both read-outs, the real constraint, attacks on the prompt."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel
from transformers import PreTrainedTokenizerBase

from constitution.errors import JudgeError
from constitution.model import Constitution
from constitution.store import Store
from generate.engine import Completion, Conversation, Drawn, Engine, ModelRef, Sampling
from generate.engine_transformers import TransformersRunner
from generate.models import resolve_model
from generate.open import open_engine
from generate.settings import TransformersEngine
from generate.tokens import load_tokenizer, spellings
from judge.ask import collect_votes, judge_pairs, plan_votes
from judge.interface import Judge
from judge.judges import open_judge
from judge.labels import label_pair
from judge.records import Vote
from judge.settings import LlmJudge
from judge.template import load_template, render
from judge.verdict import Verdict
from tests.judging import PRINCIPLES, a_constitution, a_pair, a_prompt
from tests.test_template import ATTACKS, NONCE

CONSTITUTION = a_constitution(PRINCIPLES[:2])
PAIRS = [
    a_pair(
        "Mix flour, water and salt; bake.", "Sure! Here is how:\n- mix\n- wait\n- bake", a_prompt("How is bread made?")
    ),
    a_pair("Yes.", "That depends on many things, all of which matter.", a_prompt("Is it far?")),
]


@pytest.fixture(scope="module")
def leaning_model(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    """The random model, with output rows for A and B fitted to give the two letters most of the probability here."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(tiny_model)
    model = AutoModelForCausalLM.from_pretrained(tiny_model.path)
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        last = [model.model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1] for ids in _prompts(tokenizer)]
        fit_D_N = torch.linalg.pinv(torch.stack(last))
        for letter_ids in spellings(tokenizer, ["A", "B"]):
            model.lm_head.weight[letter_ids[0]] = fit_D_N @ (16 + torch.randn(len(last), generator=noise))
    folder = tmp_path_factory.mktemp("leaning")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return resolve_model(str(folder))


def _prompts(tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Token ids of everything that the tests below ask with the read-out `direct`."""
    template = load_template("small")
    chats = [
        [message.model_dump() for message in render(template, pair, principle, order, "direct", 4000).messages]
        for pair in PAIRS
        for principle in CONSTITUTION.principles
        for order in ("ab", "ba")
    ]
    return [
        tokenizer.apply_chat_template(c, add_generation_prompt=True, tokenize=True, return_dict=False) for c in chats
    ]


@pytest.fixture(scope="module")
def tiny_engine(leaning_model: ModelRef) -> Iterator[Engine]:
    engine = open_engine("tiny", TransformersEngine(type="transformers"), leaning_model)
    yield engine
    engine.close()


def judge_on(engine: Engine, constitution: Constitution = CONSTITUTION, **settings: object) -> Judge:
    """A judge that asks `engine`."""
    return judge_opening(lambda: engine, engine.model, constitution, **settings)


def judge_opening(
    opener: Callable[[], Engine], model: ModelRef, constitution: Constitution = CONSTITUTION, **settings: object
) -> Judge:
    """A judge that opens its engine when it must."""
    fields = {"kind": "llm", "model": model.name, "engine": "any", "template": "small"} | settings
    return open_judge("llm", LlmJudge.model_validate(fields), constitution, model, opener)


def votes_of(judge: Judge, store: Store[Vote], constitution: Constitution = CONSTITUTION) -> list[Vote]:
    """Ask everything and return the votes, flat."""
    judge_pairs(PAIRS, constitution, judge, store)
    groups = collect_votes(PAIRS, constitution, judge, store)
    return [vote for by_principle in groups.values() for votes in by_principle.values() for vote in votes]


@pytest.mark.real_model
@pytest.mark.parametrize("readout", ["direct", "reasoned"])
def test_the_small_model_judges_in_both_orders(bundled_model: ModelRef, store: Store[Vote], readout: str) -> None:
    opened: list[Engine] = []

    def opener() -> Engine:
        if not opened:
            opened.append(open_engine("embedded", TransformersEngine(type="transformers"), bundled_model))
        return opened[-1]

    judge = judge_opening(opener, bundled_model, readout=readout)
    assert plan_votes(PAIRS, CONSTITUTION, judge, store).to_ask == 8
    assert not opened
    votes = votes_of(judge, store)
    assert [vote.state for vote in votes] == ["valid"] * 8
    assert {vote.request.order for vote in votes} == {"ab", "ba"}
    assert all(vote.tokens_in > 50 for vote in votes)
    for vote in votes:
        if readout == "direct":
            assert 0 < vote.missing_mass < 1
            assert (vote.rationale, vote.tokens_out) == (None, 0)
        else:
            assert vote.raw is not None
            verdict = Verdict.model_validate_json(vote.raw)
            assert vote.rationale == verdict.rationale
            assert vote.logit == pytest.approx(math.log(4) * (1 if verdict.verdict == "A" else -1), abs=1e-12)
            assert 0 < vote.tokens_out <= 160
    labels = [
        label_pair(pair, collect_votes(PAIRS, CONSTITUTION, judge, store)[pair.key], CONSTITUTION, judge)
        for pair in PAIRS
    ]
    assert all(len(label.shares) == 2 and not label.missing for label in labels)
    assert len(opened) == 1
    again = judge_opening(opener, bundled_model, readout=readout)
    assert judge_pairs(PAIRS, CONSTITUTION, again, store).asked == 0
    assert len(opened) == 1
    opened[0].close()


@pytest.mark.real_model
@pytest.mark.parametrize("template", ["cai", "chat", "small"])
def test_no_attack_becomes_a_special_token(bundled_model: ModelRef, template: str) -> None:
    """At the level that counts, the real tokenizer's: as many role and end-of-turn tokens as in a harmless prompt."""
    assert NONCE is not None
    tokenizer = load_tokenizer(bundled_model)
    special = set(tokenizer.all_special_ids)

    def specials(first: str, second: str, question: str) -> list[int]:
        pair = a_pair(first, second, a_prompt(question))
        messages = render(load_template(template), pair, PRINCIPLES[0], "ab", "direct", 4000).messages
        chat = [message.model_dump() for message in messages]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False)
        return [token for token in ids if token in special]

    harmless = specials("fine", "well", "How?")
    assert len(harmless) >= 3
    for attack in ATTACKS:
        text = attack.replace("{nonce}", NONCE[1]) + "".join(tokenizer.all_special_tokens)
        assert specials(text, "well", "How?") == harmless
        assert specials("fine", "well", text) == harmless


def test_batches_do_not_change_votes(tiny_engine: Engine, tmp_path: Path) -> None:
    found = []
    for batch_pairs in (1, 2):
        with Store(tmp_path / f"{batch_pairs}.sqlite", Vote) as opened:
            found.append(votes_of(judge_on(tiny_engine, batch_pairs=batch_pairs), opened))
    for one, two in zip(*found, strict=True):
        assert one.key == two.key
        assert one.state == two.state == "valid"
        assert one.logit == pytest.approx(two.logit, abs=1e-4)


def test_an_answer_cut_short_is_a_failure_not_a_tie(tiny_engine: Engine, store: Store[Vote]) -> None:
    judge = judge_on(tiny_engine, readout="reasoned", max_new_tokens=4)
    votes = votes_of(judge, store)
    assert {(vote.state, vote.reason, vote.logit) for vote in votes} == {("failed", "truncated", None)}
    groups = collect_votes(PAIRS, CONSTITUTION, judge, store)
    label = label_pair(PAIRS[0], groups[PAIRS[0].key], CONSTITUTION, judge)
    assert (label.p, label.reason, label.shares) == (None, "coverage", ())
    assert dict(label.missing) == {"brief": "failed: truncated", "no-lists": "failed: truncated"}
    count = judge_pairs(PAIRS, CONSTITUTION, judge, store)
    assert (count.asked, count.reasons) == (0, {"truncated": 8})


class Unconstrained(TransformersRunner):
    """The real engine, were its constraint dropped without a word."""

    def complete_json(
        self,
        conversations: Sequence[Conversation],
        schema: type[BaseModel],
        max_new_tokens: int,
        drawn: Drawn | None = None,
    ) -> list[Completion]:
        """Free text."""
        sampling = Sampling(temperature=0, max_new_tokens=max_new_tokens)
        return [answers[0] for answers in self.sample(conversations, 1, sampling, 0)]


def test_an_engine_that_does_not_constrain_is_refused(tiny_model: ModelRef, store: Store[Vote]) -> None:
    engine = Unconstrained("loose", TransformersEngine(type="transformers"), tiny_model)
    with pytest.raises(JudgeError, match="engine `loose` does not constrain"):
        judge_pairs(PAIRS, CONSTITUTION, judge_on(engine, readout="reasoned"), store)
    assert len(store) == 0
    engine.close()


def test_against_is_the_same_question_with_the_answer_turned(tiny_engine: Engine, tmp_path: Path) -> None:
    turned = a_constitution([p.model_copy(update={"polarity": "against"}) for p in PRINCIPLES[:2]])
    with Store(tmp_path / "for.sqlite", Vote) as one, Store(tmp_path / "against.sqlite", Vote) as two:
        plain = votes_of(judge_on(tiny_engine), one)
        against = votes_of(judge_on(tiny_engine, turned), two, turned)
    assert [vote.raw for vote in plain] == [vote.raw for vote in against]
    assert [vote.logit for vote in plain] == [-vote.logit for vote in against]
    assert all(vote.logit for vote in plain)
