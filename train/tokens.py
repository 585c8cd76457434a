"""Pairs as token ids: the prompt and each answer rendered together by the model's own chat template, then cut apart.

The ids are those of TRL's explicit-prompt conversational format: an answer starts where prompt and prompt-with-answer
part, and a finished one ends with the template's end of turn, which holds exactly one stop token. An answer that was
cut at its length limit gets no end of turn, so that the policy is not taught to stop in mid-sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from constitution.errors import ModelError
from generate.records import Message
from generate.tokens import TEMPLATE_OPTIONS
from train.records import TrainPair

TOO_LONG = "longer than max_length"
SAME_TOKENS = "both answers are the same tokens"
EMPTY = "an answer is empty"
SPECIAL = "an answer contains the model's stop token"


class TokenPair(NamedTuple):
    """A pair's token ids. `prompt + a` and `prompt + b` are what the model reads."""

    pair: TrainPair
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


class Tokenised(NamedTuple):
    """The pairs that can be trained on, in the given order, and how many cannot, by reason."""

    pairs: list[TokenPair]
    left_out: Counter[str]


def tokenise(pairs: Sequence[TrainPair], tokenizer: Any, stops: Set[int], max_length: int) -> Tokenised:
    """Token ids of every usable pair. `stops` are the ids at which generation ends.

    Raises ModelError if the tokenizer has no chat template, or one that does not end a turn with exactly one stop
    token.
    """
    check_template(tokenizer, stops)
    kept: list[TokenPair] = []
    left_out: Counter[str] = Counter()
    for pair in pairs:
        tokens = pair_tokens(pair, tokenizer)
        reason = why_unusable(tokens, stops, max_length)
        if reason:
            left_out[reason] += 1
        else:
            kept.append(tokens)
    return Tokenised(kept, left_out)


def pair_tokens(pair: TrainPair, tokenizer: Any) -> TokenPair:
    """One pair's ids, whether usable or not."""
    prompt = render(tokenizer, pair.conversation, add_generation_prompt=True)
    whole_a = _with_answer(tokenizer, pair.conversation, pair.a, pair.a_finished)
    whole_b = _with_answer(tokenizer, pair.conversation, pair.b, pair.b_finished)
    # Tokens may merge over the boundary, and some templates render the last turn differently; then the answer starts
    # earlier.
    start = min(_common(prompt, whole_a), _common(prompt, whole_b))
    return TokenPair(pair, prompt[:start], whole_a[start:], whole_b[start:])


def why_unusable(tokens: TokenPair, stops: Set[int], max_length: int) -> str | None:
    """Why a pair is left out of training, or None."""
    if not tokens.prompt or not tokens.a or not tokens.b:
        return EMPTY
    if tokens.a == tokens.b:
        return SAME_TOKENS
    if tokens.longest > max_length:
        return TOO_LONG
    pair = tokens.pair
    for answer, finished in ((tokens.a, pair.a_finished), (tokens.b, pair.b_finished)):
        if sum(token in stops for token in answer) != int(finished):
            return SPECIAL
    return None


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
