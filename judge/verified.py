"""A stored label against the votes behind it: made again, and the same bit for bit, or an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from constitution.errors import DataError
from constitution.model import Constitution
from generate.records import Pair
from judge.calibration import Applied
from judge.interface import Judge
from judge.labels import label_pair, not_selected
from judge.records import Label, Vote

AGAIN = "run `preceptor label` with this run file first"


def check_constitution(labels: Sequence[Label], constitution: Constitution) -> None:
    """Raises DataError if some label was made under another constitution than this one."""
    others = sum(label.constitution != constitution.key for label in labels)
    if others:
        raise DataError(
            f"{others} of {len(labels)} stored labels were made under another constitution than the run file's (its "
            f"principles, weights, scopes or rule have changed since): {AGAIN}"
        )


def verified(
    stored: Label,
    pair: Pair,
    votes: Mapping[str, Sequence[Vote]],
    constitution: Constitution,
    judge: Judge,
    calibration: Applied | None = None,
) -> Label:
    """The label made again from the stored votes; but for the selection of one pair a prompt it must be `stored`.

    Raises DataError naming the first field that differs.
    """
    again = label_pair(pair, votes, constitution, judge, calibration)
    expected = not_selected(again) if stored.reason == "not_selected" and again.p is not None else again
    for field in Label.model_fields:
        if getattr(stored, field) != getattr(expected, field):
            raise DataError(
                f"pair {pair.key}: the stored label is not what the stored votes give: `{field}` is "
                f"{getattr(stored, field)!r}, the votes give {getattr(expected, field)!r}; if the votes, the judge or "
                f"its calibration have changed since, {AGAIN}"
            )
    return again
