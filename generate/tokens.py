"""Conversations to token ids and choices to their spellings; the same for every engine, so that they compare.

A conversation is rendered by the model's own chat template, up to the place where the assistant's turn begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from constitution.errors import DataError, ModelError
from generate.align import Aligned, parted, ruled
from generate.engine import Conversation, Failure, ModelRef
from generate.load import hub_revision, model_errors
from generate.quiet import kind_and_first_line
from generate.readout import reads_as
from generate.template_bounds import check_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ResultT = TypeVar("ResultT")
MOST_NAMED = 10
"""Conversations that are too long, in one message."""
TEMPLATE_OPTIONS = {"enable_thinking": False}
"""For templates that know it (such as Qwen3's): a judge's first token is its label, not the start of a thought. The
same for sampling and training, so that a policy is trained on the turn it was sampled in. Other templates ignore it."""


def load_tokenizer(model: ModelRef) -> PreTrainedTokenizerBase:
    """The model's tokenizer. Raises ModelError if it cannot be loaded or has no chat template."""
    tokenizer = read_tokenizer(model, padding_side="left")
    if not tokenizer.chat_template:
        raise ModelError(f"the tokenizer of `{model.name}` has no chat template: choose an instruction-tuned model")
    return tokenizer


def read_tokenizer(model: ModelRef, **options: Any) -> PreTrainedTokenizerBase:
    """The tokenizer, with or without a chat template. Raises ModelError if it cannot be loaded.

    Its chat template is looked at before anything is rendered: template_bounds.py.
    """
    from transformers import AutoTokenizer

    with model_errors(f"the tokenizer of `{model.name}` cannot be loaded"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            model.path, revision=hub_revision(model), trust_remote_code=False, **options
        )
        if tokenizer.chat_template:
            check_template(model.name, tokenizer.chat_template)
    return tokenizer


def encode(
    tokenizer: PreTrainedTokenizerBase, conversations: Sequence[Conversation], new_tokens: int, context: int
) -> list[list[int]]:
    """Token ids of each conversation, ready for the assistant's first token.

    Raises DataError if conversations and `new_tokens` more do not fit into `context` tokens, naming all of them up to
    MOST_NAMED, or if the template refuses one (some have no place for a system message).
    """
    rows = _all_ids(tokenizer, conversations)
    refuse(_too_long(conversations, rows, new_tokens, context))
    return rows


def too_long(
    tokenizer: PreTrainedTokenizerBase, conversations: Sequence[Conversation], new_tokens: int, context: int
) -> Iterator[str]:
    """What is said of each conversation that does not fit. Raises DataError if the template refuses one."""
    return _too_long(conversations, _all_ids(tokenizer, conversations), new_tokens, context)


def _too_long(
    conversations: Sequence[Conversation], rows: Sequence[list[int]], new_tokens: int, context: int
) -> Iterator[str]:
    checked = (_why_too_long(c, len(ids), new_tokens, context) for c, ids in zip(conversations, rows, strict=True))
    return (said for said in checked if said)


def refuse(faults: Iterable[str]) -> None:
    """Raise DataError with the first of these and the number of the others; none of those is kept."""
    faults = iter(faults)
    if named := list(islice(faults, MOST_NAMED)):
        others = sum(1 for _ in faults)
        raise DataError("\n".join([*named, *([f"and {others} more"] if others else [])]))


class Fitting(NamedTuple):
    """Token ids of the prompts that fit, and for each conversation its place among them, or why it does not fit."""

    prompts: list[list[int]]
    places: list[int | Failure]

    def restore(self, results: Sequence[ResultT], failed: Callable[[Failure], ResultT]) -> list[ResultT]:
        """Results of `prompts` in the order of the conversations, `failed` made of those that did not fit."""
        return [failed(place) if isinstance(place, Failure) else results[place] for place in self.places]


def encode_fitting(
    tokenizer: PreTrainedTokenizerBase, conversations: Sequence[Conversation], new_tokens: int, context: int
) -> Fitting:
    """As `encode`, but a conversation that does not fit fails alone. Raises DataError if the template refuses one."""
    prompts: list[list[int]] = []
    places: list[int | Failure] = []
    for conversation, ids in zip(conversations, _all_ids(tokenizer, conversations), strict=True):
        if (said := _why_too_long(conversation, len(ids), new_tokens, context)) is None:
            places.append(len(prompts))
            prompts.append(ids)
        else:
            places.append(Failure("too_long", said))
    return Fitting(prompts, places)


def conversation_ids(
    tokenizer: PreTrainedTokenizerBase, conversation: Conversation, answer_follows: bool = True
) -> list[int]:
    """Token ids by the model's chat template; with `answer_follows` up to where the assistant's turn begins."""
    return _all_ids(tokenizer, [conversation], answer_follows)[0]


def _all_ids(
    tokenizer: PreTrainedTokenizerBase, conversations: Sequence[Conversation], answer_follows: bool = True
) -> list[list[int]]:
    texts = [parted(_text(tokenizer, conversation, answer_follows), conversation) for conversation in conversations]
    if not texts:
        return []
    # In one call: the tokenizer spreads a batch over the processor's cores.
    rests: list[list[int]] = tokenizer([text.rest for text in texts], add_special_tokens=False)["input_ids"]
    beginnings: dict[str, list[int]] = {"": []}
    for conversation, text in zip(conversations, texts, strict=True):
        if isinstance(conversation, Aligned) and text.beginning not in beginnings:
            beginnings[text.beginning] = ruled(tokenizer, text.beginning, conversation.mark)
    return [beginnings[text.beginning] + rest for text, rest in zip(texts, rests, strict=True)]


def _text(tokenizer: PreTrainedTokenizerBase, conversation: Conversation, answer_follows: bool) -> str:
    from jinja2 import TemplateError

    messages = [{"role": message.role, "content": message.content} for message in conversation]
    try:
        text = tokenizer.apply_chat_template(
            messages, add_generation_prompt=answer_follows, tokenize=False, **TEMPLATE_OPTIONS
        )
    except TemplateError as error:
        raise DataError(
            f"the model's chat template refuses the prompt that starts `{_start(conversation)}`: {error}"
        ) from error
    except Exception as error:  # The template is a stranger's program: `1 / 0`, a macro that calls itself for ever.
        raise ModelError(
            f"the model's chat template fails on the prompt that starts `{_start(conversation)}` "
            f"({kind_and_first_line(error)})"
        ) from error
    return str(text)


def _why_too_long(conversation: Conversation, tokens: int, new_tokens: int, context: int) -> str | None:
    if tokens + new_tokens <= context:
        return None
    return (
        f"the prompt that starts `{_start(conversation)}` has {tokens} tokens; with {new_tokens} more for the answer "
        f"that exceeds the model's {context}: shorten the prompt or lower max_new_tokens"
    )


def _start(conversation: Conversation) -> str:
    return " ".join(conversation[-1].content.split())[:60]


def spellings(tokenizer: PreTrainedTokenizerBase, choices: Sequence[str]) -> list[list[int]]:
    """For each choice, every single token that reads as it: see `generate.readout.reads_as`.

    Raises DataError if a choice is no single token or if two choices share a spelling.
    """
    return _spellings(tokenizer, tuple(choices))


# Every token of the vocabulary is looked at: a fifth of a second, which is not for every call.
@lru_cache(maxsize=16)
def _spellings(tokenizer: PreTrainedTokenizerBase, choices: tuple[str, ...]) -> list[list[int]]:
    wanted: dict[str, list[int]] = {choice.strip(" "): [] for choice in choices}
    if len(wanted) < len(choices):
        raise DataError(f"choices must differ in more than spaces: {', '.join(map(repr, choices))}")
    special = set(tokenizer.all_special_ids)
    for token_id in range(len(tokenizer)):
        found = wanted.get(reads_as(tokenizer.decode([token_id])))
        if found is not None and token_id not in special:
            found.append(token_id)
    for choice, ids in wanted.items():
        if not ids:
            raise DataError(
                f"the choice `{choice}` is more than one token for this model: use a shorter one, such as A"
            )
    return list(wanted.values())
