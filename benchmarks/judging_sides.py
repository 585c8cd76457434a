"""The four ways to the same labels that benchmarks/judging.py times, each on the same engine with an empty cache.

ours             judge_pairs: the template `terse`, the store and all
bare             the same prompts, tokenised beforehand, in one call of vLLM's own LLM.generate
principle_first  the same words with the principle first, the same single-token read-out
json_rationale   principle first, an answer in JSON: a rationale of about 60 tokens, then the verdict
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from constitution.model import Constitution
from constitution.store import Store
from generate.engine import Conversation
from generate.engine_vllm import VllmRunner
from generate.readout import sum_spellings
from generate.records import Message, Pair
from generate.tokens import encode, spellings
from judge.ask import collect_votes, judge_pairs
from judge.judges import open_judge
from judge.records import Order, Vote
from judge.settings import LlmJudge
from judge.template import Block, Rendered, load_template, render
from judge.verdict import LABELS, Verdict, read_verdict

TEMPLATE = "terse"
ORDERS: tuple[Order, ...] = ("ab", "ba")
BATCH_PAIRS = 4
"""Smaller than a judge's usual 8, so that a run has several batches: their gaps are part of what is measured."""
MAX_CHARS = 4000
PLACE_LAST, PLACE_FIRST = "by the rule that stands last", "by the rule above"
JSON_TOKENS = 200


class Timed(NamedTuple):
    """A side's labels, one a pair, order and principle in this order; None where there was no usable answer."""

    seconds: float
    logits: list[float | None]
    tokens_out: float = 1.0
    """Generated tokens an answer."""

    @property
    def rate(self) -> float:
        """Labels a second."""
        return len(self.logits) / self.seconds


class Rationale60(Verdict):
    """The usual verdict. Reasons of 38 words are about 60 tokens; left to itself this small model writes 3 or 300."""

    rationale: str = Field(pattern=r"^[A-Z][a-z]{1,11}( [a-z]{2,12},?){37}\.$")


Side = Callable[[VllmRunner, Sequence[Pair], Constitution], Timed]


def ours(engine: VllmRunner, pairs: Sequence[Pair], constitution: Constitution) -> Timed:
    """Through the judge, a batch at a time, every vote committed."""
    settings = LlmJudge(
        kind="llm",
        model=engine.model.name,
        engine="vllm",
        template=TEMPLATE,
        batch_pairs=BATCH_PAIRS,
        max_chars=MAX_CHARS,
    )
    _forget(engine)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        judge = open_judge("ours", settings, constitution, engine.model, lambda: engine)
        with Store(Path(folder) / "votes.sqlite", Vote) as store:
            judge_pairs(pairs, constitution, judge, store)
            seconds = time.perf_counter() - started
            votes = collect_votes(pairs, constitution, judge, store)
    logits = [
        next(vote.logit for vote in votes[pair.key][principle.id] if vote.request.order == order)
        for pair in pairs
        for order in ORDERS
        for principle in constitution.principles
    ]
    return Timed(seconds, logits)


def bare(engine: VllmRunner, pairs: Sequence[Pair], constitution: Constitution) -> Timed:
    """What the engine does without us."""
    conversations = [rendered.messages for rendered in _rendered(pairs, constitution, "direct")]
    prompts = encode(engine._tokenizer, conversations, 1, engine._context)
    tokens_A_B = spellings(engine._tokenizer, LABELS)
    wanted = [token for spelt in tokens_A_B for token in spelt]
    request = engine._vllm.SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=wanted)
    inputs = [{"prompt_token_ids": prompt} for prompt in prompts]
    _forget(engine)
    started = time.perf_counter()
    outputs = engine._llm.generate(inputs, request, use_tqdm=False)
    seconds = time.perf_counter() - started
    return Timed(seconds, [_logit(output, tokens_A_B) for output in outputs])


def principle_first(engine: VllmRunner, pairs: Sequence[Pair], constitution: Constitution) -> Timed:
    """All prompts in one call, neighbours as in ours; what the cache can share is the beginning with the principle."""
    conversations = _first(_rendered(pairs, constitution, "direct"))
    _forget(engine)
    started = time.perf_counter()
    readouts = engine.read_choices(conversations, LABELS)
    seconds = time.perf_counter() - started
    return Timed(seconds, [readout.logps[0] - readout.logps[1] for readout in readouts])


def json_rationale(engine: VllmRunner, pairs: Sequence[Pair], constitution: Constitution) -> Timed:
    """Greedy, constrained by the engine, all prompts in one call."""
    conversations = _first(_rendered(pairs, constitution, "reasoned"))
    _forget(engine)
    started = time.perf_counter()
    answers = engine.complete_json(conversations, Rationale60, JSON_TOKENS)
    verdicts = [read_verdict(answer.text, answer.finish, Rationale60) for answer in answers]
    seconds = time.perf_counter() - started
    signs = {"A": 1.0, "B": -1.0}
    logits = [signs.get(getattr(verdict, "verdict", "")) for verdict in verdicts]
    return Timed(seconds, logits, sum(answer.tokens for answer in answers) / len(answers))


SIDES: dict[str, Side] = {
    "ours": ours,
    "bare": bare,
    "principle_first": principle_first,
    "json_rationale": json_rationale,
}


def _rendered(pairs: Sequence[Pair], constitution: Constitution, block: Block) -> list[Rendered]:
    template = load_template(TEMPLATE)
    return [
        render(template, pair, principle, order, block, MAX_CHARS)
        for pair in pairs
        for order in ORDERS
        for principle in constitution.principles
    ]


def _first(prompts: Sequence[Rendered]) -> list[Conversation]:
    """The same paragraphs with the principle's before the case."""
    conversations: list[Conversation] = []
    for prompt in prompts:
        content, place = prompt.messages[-1].content, prompt.messages.place  # type: ignore[attr-defined]
        question, asked = content[place:].strip().split("\n\n")
        case = content[:place].replace(PLACE_LAST, PLACE_FIRST)
        conversations.append((Message(role="user", content=f"{question}\n\n{case}\n\n{asked}"),))
    return conversations


def _forget(engine: VllmRunner) -> None:
    assert engine._llm.reset_prefix_cache(), "the prefix cache could not be emptied"


def _logit(output: Any, tokens_A_B: Sequence[Sequence[int]]) -> float:
    found = output.outputs[0].logprobs[0]
    first, second = (sum_spellings([found[token].logprob for token in spelt]) for spelt in tokens_A_B)
    return first - second
