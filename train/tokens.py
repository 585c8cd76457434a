"""Pairs as token ids: the prompt and each answer rendered together by the model's own chat template, then cut apart.

The ids are those of TRL's explicit-prompt conversational format: an answer starts where prompt and prompt-with-answer
part, and a finished one ends with the template's end of turn, which holds exactly one stop token. An answer that was
cut at its length limit gets no end of turn, so that the policy is not taught to stop in mid-sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from typing import Any, Literal, NamedTuple

from constitution.errors import DataError, ModelError, harmless
from generate.records import Message
from generate.tokens import TEMPLATE_OPTIONS
from train.records import TrainItem, TrainPair, TrainSingle

TOO_LONG = "longer than max_length"
SAME_TOKENS = "both answers are the same tokens"
SAME_CUT = "both answers are the same after the cut to max_length"
EMPTY = "an answer is empty"
SPECIAL = "an answer contains the model's stop token"
TooLong = Literal["drop", "cut_prompt", "cut_answers", "error"]


class TokenPair(NamedTuple):
    """A pair's token ids. `prompt + a` and `prompt + b` are what the model reads. A single answer is `a`, with `b`
    empty."""

    pair: TrainItem
    prompt: list[int]
    a: list[int]
    b: list[int]

    @property
    def size(self) -> int:
        """Tokens of the pair with its prompt counted once."""
        return len(self.prompt) + len(self.a) + len(self.b)

    @property
    def longest(self) -> int:
        """Tokens of the longer of the two sequences."""
        return len(self.prompt) + max(len(self.a), len(self.b))


class LeftOut(NamedTuple):
    """A pair that cannot be trained on, and why."""

    pair: TrainItem
    reason: str


class Tokenised(NamedTuple):
    """The pairs that can be trained on, in the given order; those that cannot; how many were cut to `max_length`."""

    pairs: list[TokenPair]
    dropped: list[LeftOut]
    shortened: int

    @property
    def left_out(self) -> Counter[str]:
        """How many cannot be trained on, by reason."""
        return Counter(pair.reason for pair in self.dropped)


def tokenise(
    items: Sequence[TrainItem], tokenizer: Any, stops: Set[int], max_length: int, too_long: TooLong = "drop"
) -> Tokenised:
    """Token ids of every usable pair or single answer. `stops` are the ids at which generation ends.

    Raises ModelError if the tokenizer has no chat template, or one that does not end a turn with exactly one stop
    token; DataError if one is longer than `max_length` and `too_long` is `error`.
    """
    check_template(tokenizer, stops)
    kept: list[TokenPair] = []
    dropped: list[LeftOut] = []
    shortened = 0
    for item in items:
        whole = item_tokens(item, tokenizer)
        tokens = fitted(whole, max_length, too_long)
        reason = why_unusable(whole, stops) or why_unfit(tokens, max_length)
        if reason:
            dropped.append(LeftOut(item, reason))
        else:
            kept.append(tokens)
            shortened += tokens is not whole
    return Tokenised(kept, dropped, shortened)


def item_tokens(item: TrainItem, tokenizer: Any) -> TokenPair:
    """The ids of a pair or of a single answer, whether usable or not."""
    if isinstance(item, TrainPair):
        return pair_tokens(item, tokenizer)
    prompt = render(tokenizer, item.conversation, add_generation_prompt=True)
    whole = _with_answer(tokenizer, item.conversation, item.text, item.finished)
    start = _common(prompt, whole)
    return TokenPair(item, prompt[:start], whole[start:], [])


def pair_tokens(pair: TrainPair, tokenizer: Any) -> TokenPair:
    """One pair's ids, whether usable or not."""
    prompt = render(tokenizer, pair.conversation, add_generation_prompt=True)
    whole_a = _with_answer(tokenizer, pair.conversation, pair.a, pair.a_finished)
    whole_b = _with_answer(tokenizer, pair.conversation, pair.b, pair.b_finished)
    # Tokens may merge over the boundary, and some templates render the last turn differently; then the answer starts
    # earlier.
    start = min(_common(prompt, whole_a), _common(prompt, whole_b))
    return TokenPair(pair, prompt[:start], whole_a[start:], whole_b[start:])


def fitted(tokens: TokenPair, max_length: int, too_long: TooLong) -> TokenPair:
    """The same pair if it fits; else cut as `too_long` says, as far as that goes.

    Raises DataError if it does not fit and `too_long` is `error`.
    """
    excess = tokens.longest - max_length
    if excess <= 0 or too_long == "drop":
        return tokens
    if too_long == "error":
        raise DataError(
            f"pair {harmless(tokens.pair.key)} (prompt {harmless(tokens.pair.prompt_id)}) has {tokens.longest} tokens, "
            f"more than train.max_length, {max_length}: raise it, or let train.too_long say what to do"
        )
    if too_long == "cut_prompt":
        return tokens._replace(prompt=tokens.prompt[excess:])
    room = max(0, max_length - len(tokens.prompt))
    return tokens._replace(a=tokens.a[:room], b=tokens.b[:room])


def why_unusable(tokens: TokenPair, stops: Set[int]) -> str | None:
    """Why a pair could be left out of training whatever its length, or None."""
    if not tokens.prompt or not all(answers(tokens)):
        return EMPTY
    if tokens.a == tokens.b:
        return SAME_TOKENS
    for answer, finished in zip(answers(tokens), _finished(tokens.pair), strict=True):
        if sum(token in stops for token in answer) != int(finished):
            return SPECIAL
    return None


def why_unfit(tokens: TokenPair, max_length: int) -> str | None:
    """Why a pair, cut or not, is left out for its length, or None."""
    if tokens.longest > max_length or not tokens.prompt or not all(answers(tokens)):
        return TOO_LONG
    return SAME_CUT if tokens.a == tokens.b else None


def answers(tokens: TokenPair) -> list[list[int]]:
    """Both answers of a pair, or the one of a single."""
    return [tokens.a] if isinstance(tokens.pair, TrainSingle) else [tokens.a, tokens.b]


def _finished(item: TrainItem) -> list[bool]:
    return [item.finished] if isinstance(item, TrainSingle) else [item.a_finished, item.b_finished]


def render(tokenizer: Any, conversation: Sequence[Message], **how: bool) -> list[int]:
    """The chat template's token ids; the template writes all special tokens, so none are added."""
    messages = [message.model_dump() for message in conversation]
    return list(tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False, **TEMPLATE_OPTIONS, **how))


def _with_answer(tokenizer: Any, conversation: Sequence[Message], text: str, finished: bool) -> list[int]:
    if not finished and not text:
        return []
    answer = Message.model_construct(role="assistant", content=text)
    return render(tokenizer, [*conversation, answer], continue_final_message=not finished)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading ids the two share."""
    for index, (x, y) in enumerate(zip(first, second, strict=False)):
        if x != y:
            return index
    return min(len(first), len(second))


def check_template(tokenizer: Any, stops: Set[int]) -> None:
    """Raises ModelError unless the chat template ends an answer with exactly one stop token and begins with one BOS."""
    if not tokenizer.chat_template:
        raise ModelError(
            f"{tokenizer.name_or_path}: the tokenizer has no chat template; train an instruction-tuned model, or add "
            "the template that its answers were generated with"
        )
    user = Message(role="user", content="one")
    prompt = render(tokenizer, [user], add_generation_prompt=True)
    whole = _with_answer(tokenizer, [user], "two", finished=True)
    ends = sum(token in stops for token in whole[_common(prompt, whole) :])
    if ends != 1:
        raise ModelError(
            f"{tokenizer.name_or_path}: the chat template ends an answer with {ends} stop tokens, where exactly one "
            "was expected; check `eos_token_id` in the model's generation_config.json against chat_template.jinja"
        )
    if tokenizer.bos_token_id is not None and prompt[:2] == [tokenizer.bos_token_id] * 2:
        raise ModelError(f"{tokenizer.name_or_path}: the chat template writes the beginning-of-sequence token twice")
