"""A reward model in the Hugging Face convention: a sequence classifier with one label, which scores a conversation.

    scorer = RewardModel(resolve_model("org/reward-model"), "auto", batch_size=16)
    scorer.score([(*prompt.conversation, Message(role="assistant", content=response.text))])

The conversation is rendered by the model's own chat template, the answer as the assistant's turn. Shapes: B rows, T
tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from constitution.errors import ModelError
from generate.engine import Conversation, Failure, ModelRef
from generate.engine_transformers import pick_dtype
from generate.load import hub_revision, load_weights, model_errors
from generate.memory import in_batches
from generate.tokens import conversation_ids, load_tokenizer

ARCHITECTURE = "ForSequenceClassification"


class RewardModel:
    """A loaded classifier. Safetensors only; no code that comes with a model is run."""

    def __init__(self, model: ModelRef, dtype: str, batch_size: int) -> None:
        """Load the weights. Raises ModelError if they are not a reward model's or cannot be loaded safely."""
        import torch

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model
        self._batch_size = batch_size
        self._tokenizer = load_tokenizer(model)
        self._classifier = _load(model, pick_dtype(dtype, device), device)
        config = self._classifier.config
        self._context: int = config.get_text_config().max_position_embeddings
        self._pad: int | None = config.get_text_config().pad_token_id

    def score(self, conversations: Sequence[Conversation]) -> list[float | Failure]:
        """The score of each conversation's last turn; a Failure where there are more tokens than the model takes."""
        rows = [self._ids(conversation) for conversation in conversations]
        fitting = sorted((i for i, row in enumerate(rows) if len(row) <= self._context), key=lambda i: len(rows[i]))
        # The classifier reads the last token that is no padding: without a padding token only single rows are safe.
        size = self._batch_size if self._pad is not None else 1
        scores = in_batches(fitting, size, lambda _, places: self._score_rows([rows[i] for i in places]), self._smaller)
        return [scores[i] if i in scores else self._too_long(len(row)) for i, row in enumerate(rows)]

    def _smaller(self, failed: int) -> int:
        if failed == 1:
            raise ModelError(
                f"`{self.model.name}` ran out of memory on a single answer: take a smaller model or `dtype: bfloat16`"
            )
        self._batch_size = failed // 2
        return self._batch_size

    def close(self) -> None:
        """Drop the weights and give the accelerator's memory back."""
        import gc

        import torch

        del self._classifier
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _ids(self, conversation: Conversation) -> list[int]:
        return conversation_ids(self._tokenizer, conversation, answer_follows=False)

    def _score_rows(self, rows: Sequence[Sequence[int]]) -> list[float]:
        import torch

        longest = max(map(len, rows))
        pad = self._pad or 0
        ids_B_T = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows])
        mask_B_T = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        device = self._classifier.device
        with torch.inference_mode():
            output = self._classifier(input_ids=ids_B_T.to(device), attention_mask=mask_B_T.to(device))
        scores: list[float] = output.logits[:, 0].float().tolist()
        return scores

    def _too_long(self, tokens: int) -> Failure:
        said = f"a conversation of {tokens} tokens is longer than the {self._context} that `{self.model.name}` takes"
        return Failure("too_long", said)


def usable(score: float) -> bool:
    """Whether a score is a number to compare."""
    return math.isfinite(score)


def _load(model: ModelRef, dtype: Any, device: Any) -> Any:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    with model_errors(f"the reward model `{model.name}` cannot be loaded"):
        _check_kind(
            model, AutoConfig.from_pretrained(model.path, revision=hub_revision(model), trust_remote_code=False)
        )
    return load_weights(AutoModelForSequenceClassification, model, "the reward model", device, dtype=dtype)


def _check_kind(model: ModelRef, config: Any) -> None:
    kinds = config.architectures or ["none named"]
    if not kinds[0].endswith(ARCHITECTURE):
        raise ModelError(
            f"`{model.name}` is no reward model: its architecture is {kinds[0]}, and one that ends in {ARCHITECTURE} "
            "was expected. A model that writes text can judge as `kind: llm`"
        )
    if config.num_labels != 1:
        raise ModelError(
            f"`{model.name}` is no reward model: it has {config.num_labels} labels, where a reward model has one"
        )
