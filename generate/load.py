"""A model's files through transformers: all of its weights or a ModelError, whatever the files hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from constitution.errors import ModelError, PreceptorError
from generate.engine import ModelRef
from generate.memory import is_out_of_memory
from generate.quiet import kind_and_first_line, quiet_transformers

if TYPE_CHECKING:
    import torch

MOST_NAMED = 3


@contextmanager
def model_errors(said: str) -> Iterator[None]:
    """Whatever a library raises over a model's files within becomes a ModelError that begins with `said`."""
    try:
        with quiet_transformers():
            yield
    except PreceptorError:
        raise
    except Exception as error:  # The files are a stranger's: no list of what they can break would be complete.
        if is_out_of_memory(error):
            why = "memory ran out: take a smaller model or `dtype: bfloat16`"
        else:
            why = kind_and_first_line(error)
        raise ModelError(f"{said} ({why})") from error


def load_weights(kind: Any, model: ModelRef, what: str, device: torch.device, **options: Any) -> Any:
    """The model, frozen and in eval mode, as this Auto class of transformers' reads it from safetensors.

    `what` is what to call it in messages. Raises ModelError if it cannot be loaded without foreign code, or if its
    weights are not the very ones that its configuration asks for.
    """
    with model_errors(f"{what} `{model.name}` cannot be loaded"):
        loaded, report = kind.from_pretrained(
            model.path,
            revision=hub_revision(model),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
        _check_whole(f"{what} `{model.name}`", report)
        _check_ends(f"{what} `{model.name}`", loaded)
        return loaded.requires_grad_(False).eval().to(device)


def hub_revision(model: ModelRef) -> str | None:
    """What `revision=` must be: the commit of a Hugging Face model, nothing for a folder."""
    return model.revision if model.path == model.name and not model.path.startswith("/") else None


def _check_whole(what: str, report: dict[str, Any]) -> None:
    """transformers would draw weights that a file lacks at random, and only warn. Tied weights are not among them."""
    faults = {
        "lacks the weights": report["missing_keys"],
        "has weights of another shape than its configuration says:": [key for key, *_ in report["mismatched_keys"]],
        "has weights that its configuration has no place for:": report["unexpected_keys"],
    }
    for fault, keys in faults.items():
        if keys:
            named, more = sorted(keys)[:MOST_NAMED], len(keys) - MOST_NAMED
            raise ModelError(f"{what} {fault} {', '.join(named)}{f' and {more} more' if more > 0 else ''}")


def _check_ends(what: str, loaded: Any) -> None:
    configured = loaded.generation_config.eos_token_id if loaded.can_generate() else None
    listed = configured if isinstance(configured, list) else [configured]
    if odd := [token for token in listed if type(token) not in (int, type(None))]:
        raise ModelError(f"{what} has the eos_token_id {odd[0]!r:.60}, where a token's number was expected")
