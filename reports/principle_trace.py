"""The thread of one principle: its votes, the labels that hang on it, who disagrees with it, what it did to the
training, and what moved. From records that other stages left; asks no judge and loads no model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from constitution.model import Constitution, Principle
from constitution.record import Record
from generate.records import Pair
from judge.records import Label
from reports.behaviour import BehaviourTable, PrincipleRow
from reports.conflicts import Conflict, conflict_map
from reports.curves import Row, curve
from reports.decided import Decided, DecidedPair, decided_pairs

PERIODS = 4


class ListedPair(DecidedPair):
    """A decided pair with what the user asked."""

    question: str
    """The conversation's last turn."""


class Pull(Record):
    """A principle's part of the updates over some steps."""

    first_step: int
    """The first of them."""
    last_step: int
    """The last."""
    share: float
    """Its part of the sum of |dL/dh| over their pairs: see PrincipleFigures. Negative: it pulled against the others."""
    updates: int
    """Pairs in these steps, each as often as it was trained on: with several epochs more than there are pairs."""
    voted: int | None
    """Of these, those of pairs that the principle voted on; None where the metrics do not say."""


class HeldOut(Record):
    """How far the policy had gone the principle's way, on labelled pairs that were not trained on."""

    step: int
    """After this step."""
    n: int
    """Held-out pairs that the principle voted on."""
    margin: float
    """Mean of (2 p_k - 1) h."""
    decided: int
    """Of these, those on which it prefers one answer."""
    accuracy: float | None
    """Share of the decided ones on which h has its sign, h = 0 counting half; None without any."""


class PrincipleTrace(Record):
    """One principle from its text to what moved."""

    principle: Principle
    """Itself."""
    weight_share: float
    """Its weight, normalised over all principles."""
    decided: Decided
    """The labels that hang on it."""
    missing: dict[str, int]
    """Why it has no opinion on pairs in its scope -> how many."""
    pairs: tuple[ListedPair, ...]
    """The pairs whose label is another without it, its largest parts first."""
    conflicts: tuple[Conflict, ...]
    """With each other principle, most disputes first."""
    pull: Pull | None
    """Over the whole training; None before it, and where a loss or rule does not split into the principles' parts."""
    pull_by_period: tuple[Pull, ...]
    """The same over each quarter of the steps."""
    heldout: tuple[HeldOut, ...]
    """At each step at which it was measured; empty before training."""
    behaviour: PrincipleRow | None
    """Its row of the behaviour table; None before that is made."""
    level: float | None
    """The level of that row's interval."""


def principle_trace(
    principle: Principle,
    pairs: Sequence[Pair],
    labels: Sequence[Label],
    constitution: Constitution,
    best_worst: bool,
    metrics: Sequence[Row],
    behaviour: BehaviourTable | None,
) -> PrincipleTrace:
    """`labels` has one entry for each pair, made under this constitution; `metrics` are the lines of metrics.jsonl."""
    found = conflict_map(pairs, labels, constitution, best_worst)
    questions = {pair.key: pair.prompt.conversation[-1].content for pair in pairs}
    missing = Counter(why for label in labels for i, why in label.missing if i == principle.id)
    rows = behaviour.principles if behaviour else ()
    return PrincipleTrace(
        principle=principle,
        weight_share=principle.weight / math.fsum(p.weight for p in constitution.principles),
        decided=next(row for row in found.principles if row.principle == principle.id),
        missing=dict(sorted(missing.items())),
        pairs=tuple(
            ListedPair(question=questions[row.pair], **row.model_dump())
            for row in decided_pairs(labels, constitution, principle.id)
        ),
        conflicts=tuple(row for row in found.conflicts if principle.id in (row.first, row.second)),
        pull=pull_over(metrics, principle.id),
        pull_by_period=tuple(pull_by_period(metrics, principle.id)),
        heldout=tuple(held_out(metrics, principle.id)),
        behaviour=next((row for row in rows if row.id == principle.id), None),
        level=behaviour.level if behaviour else None,
    )


def pull_over(metrics: Sequence[Row], principle: str) -> Pull | None:
    """Its share of the whole over these steps: sum of n pull_k over the sum of n times all pulls."""
    own = whole = 0.0
    updates = 0
    for row in metrics:
        by_principle, n = row.get("batch_principles"), row.get("n")
        if not isinstance(by_principle, dict) or not isinstance(n, int):
            return None
        pulls = {i: figures.get("pull") for i, figures in by_principle.items() if isinstance(figures, dict)}
        numbers = {i: pull for i, pull in pulls.items() if isinstance(pull, int | float)}
        if len(numbers) < len(pulls):
            return None
        own += n * numbers.get(principle, 0.0)
        whole += n * math.fsum(numbers.values())
        updates += n
    steps = curve(metrics, "step").values
    if not whole or not steps:
        return None
    return Pull(
        first_step=int(steps[0]),
        last_step=int(steps[-1]),
        share=own / whole,
        updates=updates,
        voted=_voted(metrics, principle),
    )


def _voted(metrics: Sequence[Row], principle: str) -> int | None:
    """A row in which it voted on no pair does not name it."""
    by_row = [row.get("batch_principles") for row in metrics]
    named = sum(isinstance(figures, dict) and principle in figures for figures in by_row)
    counts = curve(metrics, "batch_principles", principle, "n").values
    return int(sum(counts)) if len(counts) == named else None


def pull_by_period(metrics: Sequence[Row], principle: str) -> list[Pull]:
    """The same over each of PERIODS parts of the training, as even as they can be."""
    ends = [len(metrics) * i // PERIODS for i in range(PERIODS + 1)]
    parts = [pull_over(metrics[start:end], principle) for start, end in pairwise(ends)]
    return [part for part in parts if part]


def held_out(metrics: Sequence[Row], principle: str) -> list[HeldOut]:
    """Its line over the steps, from the rows that have it."""
    found = []
    for row in metrics:
        by_principle = row.get("principles")
        figures = by_principle.get(principle) if isinstance(by_principle, dict) else None
        if isinstance(figures, dict):
            fields = {name: figures.get(name) for name in ("n", "margin", "decided", "accuracy")}
            found.append(HeldOut.model_validate({"step": row.get("step"), **fields}))
    return found
