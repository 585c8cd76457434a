"""Whether all prompts fit into the model, before the first answer is sampled; no weights are loaded for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from generate.engine import ModelRef
from generate.load import hub_revision, model_errors
from generate.records import Prompt
from generate.settings import EngineSettings, VllmEngine
from generate.tokens import load_tokenizer, refuse, too_long


def check_lengths(
    batches: Iterable[Sequence[Prompt]], model: ModelRef, settings: EngineSettings, new_tokens: int
) -> None:
    """Raise DataError as `tokens.encode` does, but of all batches: those that do not fit with `new_tokens` more.

    `settings`: of an engine that loads the model itself. ModelError as loading its tokenizer.
    """
    tokenizer, context = load_tokenizer(model), model_context(model)
    if isinstance(settings, VllmEngine):
        context = min(settings.max_model_len, context)
    conversations = ([prompt.conversation for prompt in batch] for batch in batches)
    refuse(said for some in conversations for said in too_long(tokenizer, some, new_tokens, context))


def model_context(model: ModelRef) -> int:
    """Tokens that a prompt and its answer may have together. Raises ModelError."""
    from transformers import AutoConfig

    with model_errors(f"the configuration of `{model.name}` cannot be loaded"):
        config = AutoConfig.from_pretrained(model.path, revision=hub_revision(model), trust_remote_code=False)
        return int(config.get_text_config().max_position_embeddings)
