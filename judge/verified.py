"""A stored label against the votes behind it: made again, and the same bit for bit, or an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from constitution.errors import DataError
from constitution.model import Constitution
from generate.records import Pair
from judge.calibration import Applied
from judge.interface import Judge
from judge.labels import label_pair, not_selected
from judge.records import Label, Vote

AGAIN = "run `preceptor run` with this run file first"


def check_constitution(labels: Iterable[Label], constitution: Constitution, again: str = AGAIN) -> None:
    """Raises DataError, which says `again`, if some label was made under another constitution than this one."""
    for _ in under_constitution(labels, constitution, again):
        pass


def under_constitution(labels: Iterable[Label], constitution: Constitution, again: str = AGAIN) -> Iterator[Label]:
    """The labels one at a time. Raises as `check_constitution`, at the first that is another's."""
    rest = iter(labels)
    for before, label in enumerate(rest):
        if label.constitution != constitution.key:
            later = [one.constitution != constitution.key for one in rest]
            raise DataError(
                f"{1 + sum(later)} of {before + 1 + len(later)} stored labels were made under another constitution "
                f"than the run file's (its principles, weights, scopes or rule have changed since): {again}"
            )
        yield label


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
