"""Beginnings that fill whole cache blocks: the line is right for every length, and changes nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from generate.align import BLOCK_TOKENS, Aligned, Parted, parted
from generate.engine import Engine, ModelRef
from generate.engine_vllm import VllmRunner
from generate.records import Message
from generate.tokens import encode, load_tokenizer
from judge.template import load_template, render
from tests.judging import a_pair, a_prompt
from tests.test_llm_judge import CONSTITUTION

CASE = "Compare these two. "
QUESTIONS = ("Rule: be brief. A or B?", "Rule: be kind to the one who asks. A or B?")


@pytest.fixture(scope="module")
def tokenizer(bundled_model: ModelRef) -> Any:
    return load_tokenizer(bundled_model)


def asked(case: str, question: str) -> Aligned:
    return Aligned([Message(role="user", content=f"{case}\n\n{question}")], len(case), "-")


def common(rows: list[list[int]]) -> int:
    return next(i for i, ids in enumerate(zip(*rows, strict=False)) if len(set(ids)) > 1)


def test_whole_blocks_whatever_the_length(tokenizer: Any) -> None:
    lines = set()
    for words in range(1, 2 * BLOCK_TOKENS):
        case = "word " * words + "end"
        rows = encode(tokenizer, [asked(case, question) for question in QUESTIONS], 1, 4096)
        first_rule = len(tokenizer("Rule: be", add_special_tokens=False)["input_ids"])
        assert (common(rows) - first_rule) % BLOCK_TOKENS == 0
        text = tokenizer.decode(rows[0])
        marks = text.count("-")
        assert 1 <= marks <= BLOCK_TOKENS
        plain = encode(tokenizer, [[Message(role="user", content=f"{case}\n\n{QUESTIONS[0]}")]], 1, 4096)
        line = " ".join("-" * marks)
        assert text.replace(f"\n\n{line}\n\n", "\n\n") == tokenizer.decode(plain[0])
        lines.add(marks)
    assert len(lines) == BLOCK_TOKENS


def test_a_prompt_is_the_same_in_any_company(tokenizer: Any) -> None:
    alone = encode(tokenizer, [asked(CASE, QUESTIONS[0])], 1, 4096)
    plain = [Message(role="user", content="Hello.")]
    mixed = encode(tokenizer, [plain, asked(CASE, QUESTIONS[1]), asked(CASE, QUESTIONS[0])], 1, 4096)
    assert mixed[2] == alone[0]
    assert mixed[0] == encode(tokenizer, [plain], 1, 4096)[0]


def test_a_template_that_rewrites_messages_gets_no_line() -> None:
    conversation = asked(CASE, QUESTIONS[0])
    assert parted("USER SAYS: COMPARE", conversation) == Parted("", "USER SAYS: COMPARE")


def test_the_line_is_in_the_identity_of_template_and_model_not_of_the_prompt() -> None:
    """What is rendered does not depend on the tokenizer, so that a vote is identified without loading one."""
    pair = a_pair("It is short.", "It is long, long, long.", a_prompt())
    rendered = render(load_template("terse"), pair, CONSTITUTION.principles[0], "ab", "direct", 4000)
    assert isinstance(rendered.messages, Aligned)
    assert rendered.messages.mark == "-"
    content = rendered.messages[-1].content
    assert content[: rendered.messages.place].endswith(">>>")
    assert content[rendered.messages.place :] == f"\n\n{CONSTITUTION.principles[0].text}\n\nA or B?"
    assert "- -" not in content


@pytest.mark.vllm
def test_vllm_reads_the_whole_beginning_from_its_cache(vllm_engine: Engine) -> None:
    assert isinstance(vllm_engine, VllmRunner)
    case = "A case that no other test has. " * 9
    rows = encode(vllm_engine._tokenizer, [asked(case, question) for question in QUESTIONS], 1, 2048)
    one = vllm_engine._vllm.SamplingParams(max_tokens=1, temperature=0)
    first, second = vllm_engine._llm.generate([{"prompt_token_ids": ids} for ids in rows], one, use_tqdm=False)
    whole = common(rows) // BLOCK_TOKENS * BLOCK_TOKENS
    assert vllm_engine._tokenizer.decode(rows[1][whole:]).startswith("Rule: be kind")
    assert second.num_cached_tokens == whole
    assert first.num_cached_tokens < whole
