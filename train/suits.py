"""Whether the configured loss can learn from the given data. What does not suit is an error that names the setting."""

from __future__ import annotations

from collections.abc import Sequence

from constitution.errors import DataError
from train.losses import PairLoss
from train.records import TrainItem, TrainSingle
from train.schedule import Split
from train.settings import TrainSettings

BALANCED = (0.75, 4 / 3)
"""What weight times number of desirable answers may be of the same of undesirable ones, unless the weights were set.
Ethayarajh et al. 2024, eq. 8, advise 1 to 4/3 for the classes; 3/4 is the same with the classes' roles exchanged."""


def check_suits(loss: PairLoss, settings: TrainSettings, parts: Split) -> None:
    """Raises DataError if these pairs or single answers cannot be trained on with this loss and these settings."""
    items = [tokens.pair for tokens in parts.train]
    singles = sum(isinstance(item, TrainSingle) for item in [*items, *(tokens.pair for tokens in parts.heldout)])
    if singles and not loss.singles:
        raise DataError(
            f"train.loss: `{settings.loss}` compares two answers, but {singles} of the data are single answers with a "
            "thumb up or down: use `kto`, or leave them out"
        )
    if loss.singles:
        _check_balance(items, settings)
    decided = any(t.pair.p != 0.5 and not isinstance(t.pair, TrainSingle) for t in parts.heldout)
    if settings.early_stop and not decided:
        raise DataError(
            f"train.early_stop: there is no margin to watch, since none of the {len(parts.heldout)} held-out items is "
            "a pair with a preferred answer: raise train.heldout_fraction, or leave early_stop out"
        )


def _check_balance(items: Sequence[TrainItem], settings: TrainSettings) -> None:
    likes = sum(item.p if isinstance(item, TrainSingle) else 1.0 for item in items)
    dislikes = sum(1 - item.p if isinstance(item, TrainSingle) else 1.0 for item in items)
    for name, count in (("desirable", likes), ("undesirable", dislikes)):
        if not count:
            raise DataError(f"train.loss: `kto` needs answers of both kinds, but none of the {len(items)} is {name}")
    ratio = settings.desirable_weight * likes / (settings.undesirable_weight * dislikes)
    chosen = {"desirable_weight", "undesirable_weight"} & settings.model_fields_set
    if not chosen and not BALANCED[0] <= ratio <= BALANCED[1]:
        smaller = "desirable_weight" if ratio < 1 else "undesirable_weight"
        weight = max(ratio, 1 / ratio)
        raise DataError(
            f"train.{smaller}: {likes:g} desirable answers against {dislikes:g} undesirable ones would teach `kto` "
            f"mostly one of the two; {smaller}: {weight:.3g} would balance them (and 1 leaves them as they are)"
        )
