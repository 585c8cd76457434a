"""KTO's baseline z: how far the policy is from its reference on answers that do not belong to their prompts.

Ethayarajh et al. 2024 (arXiv 2402.01306), section 4.1: z is the mean of log pi(y'|x) - log pi_ref(y'|x) over prompts x
with answers y' of other prompts, at least 0, and no gradient flows through it. TRL and the paper take y' from the same
batch. Here each item has the answers of the item before it in the training set (or held-out set) that has another
prompt, whatever the batch: an estimate of the same kind, whose reference is computed once instead of once an epoch, and
which a step of a single item has too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from constitution.errors import DataError
from train.schedule import Split
from train.step import Trainee, evaluate
from train.tokens import TokenPair

if TYPE_CHECKING:
    from train.session import Session


def baseline_pairs(parts: Split, max_length: int) -> list[TokenPair]:
    """The mismatched pairs of the training set, then those of the held-out set, each in its order.

    Training pairs get answers of training pairs only; held-out ones may get some of either.
    """
    return (
        mismatched(parts.train, max_length) + mismatched([*parts.train, *parts.heldout], max_length)[len(parts.train) :]
    )


def mismatched(pairs: Sequence[TokenPair], max_length: int) -> list[TokenPair]:
    """Every pair's prompt with the answers of the pair before it that has another prompt, cyclically; same order.

    Where that is longer than `max_length` tokens, the prompt loses its beginning. Raises DataError if all pairs have
    one prompt.
    """
    found = []
    for index, tokens in enumerate(pairs):
        others = (pairs[index - back] for back in range(1, len(pairs)))
        other = next((o for o in others if o.pair.prompt_id != tokens.pair.prompt_id), None)
        if other is None:
            raise DataError(
                "train.loss: `kto` compares with answers to other prompts, but all pairs have the same prompt; use "
                "another loss, or more prompts"
            )
        item = tokens.pair.model_copy(update={"key": f"{tokens.pair.key} mismatched"})
        room = max(1, max_length - max(len(other.a), len(other.b)))
        found.append(TokenPair(item, tokens.prompt[-room:], other.a, other.b))
    return found


def baseline(trainee: Trainee, pairs: Sequence[TokenPair]) -> float:
    """z [nats a sequence] over mismatched `pairs`, whose references must be known."""
    moved = evaluate(trainee, pairs)
    return max(0.0, float(moved.changes_B_2[moved.lengths_B_2 > 0].mean()))


def session_baseline(session: Session, pairs: Sequence[TokenPair]) -> float:
    """z over these pairs of the session; 0 for the losses that have none."""
    others = [session.mismatched[tokens.pair.key] for tokens in pairs] if session.mismatched else []
    return baseline(session.trainee, others) if others else 0.0
