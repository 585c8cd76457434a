"""Conversations to token ids and choices to their spellings; the same for every engine, so that they compare.

A conversation is rendered by the model's own chat template, up to the place where the assistant's turn begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from constitution.errors import DataError, ModelError
from generate.engine import Conversation, ModelRef
from generate.quiet import first_line, quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEMPLATE_OPTIONS = {"enable_thinking": False}
"""For templates that know it (such as Qwen3's): a judge's first token is its label, not the start of a thought. The
same for sampling and training, so that a policy is trained on the turn it was sampled in. Other templates ignore it."""


def load_tokenizer(model: ModelRef) -> PreTrainedTokenizerBase:
    """The model's tokenizer. Raises ModelError if it cannot be loaded or has no chat template."""
    from transformers import AutoTokenizer

    with quiet_transformers():
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                model.path, revision=hub_revision(model), trust_remote_code=False, padding_side="left"
            )
        except (OSError, ValueError) as error:
            raise ModelError(f"the tokenizer of `{model.name}` cannot be loaded: {first_line(error)}") from error
    if not tokenizer.chat_template:
        raise ModelError(f"the tokenizer of `{model.name}` has no chat template: choose an instruction-tuned model")
    return tokenizer


def hub_revision(model: ModelRef) -> str | None:
    """What `revision=` must be: the commit of a Hugging Face model, nothing for a folder."""
    return model.revision if model.path == model.name and not model.path.startswith("/") else None


def encode(
    tokenizer: PreTrainedTokenizerBase, conversations: Sequence[Conversation], new_tokens: int, context: int
) -> list[list[int]]:
    """Token ids of each conversation, ready for the assistant's first token.

    Raises DataError if a conversation and `new_tokens` more do not fit into `context` tokens, or if the template
    refuses it (some have no place for a system message).
    """
    return [_encode_one(tokenizer, conversation, new_tokens, context) for conversation in conversations]


def _encode_one(
    tokenizer: PreTrainedTokenizerBase, conversation: Conversation, new_tokens: int, context: int
) -> list[int]:
    from jinja2 import TemplateError

    messages = [{"role": message.role, "content": message.content} for message in conversation]
    start = " ".join(conversation[-1].content.split())[:60]
    try:
        ids = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False, **TEMPLATE_OPTIONS
        )
    except TemplateError as error:
        raise DataError(f"the model's chat template refuses the prompt that starts `{start}`: {error}") from error
    if len(ids) + new_tokens > context:
        raise DataError(
            f"the prompt that starts `{start}` has {len(ids)} tokens; with {new_tokens} more for the answer that "
            f"exceeds the model's {context}: shorten the prompt or lower max_new_tokens"
        )
    return [int(i) for i in ids]


def spellings(tokenizer: PreTrainedTokenizerBase, choices: Sequence[str]) -> list[list[int]]:
    """For each choice, every single token that reads as it, with or without spaces around it.

    Raises DataError if a choice is no single token or if two choices share a spelling.
    """
    wanted: dict[str, list[int]] = {choice.strip(" "): [] for choice in choices}
    if len(wanted) < len(choices):
        raise DataError(f"choices must differ in more than spaces: {', '.join(map(repr, choices))}")
    special = set(tokenizer.all_special_ids)
    for token_id in range(len(tokenizer)):
        found = wanted.get(tokenizer.decode([token_id]).strip(" "))
        if found is not None and token_id not in special:
            found.append(token_id)
    for choice, ids in wanted.items():
        if not ids:
            raise DataError(
                f"the choice `{choice}` is more than one token for this model: use a shorter one, such as A"
            )
    return list(wanted.values())
