"""Which label sets are trained again, and with which seeds. Pure: a function of the constitution and the options."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Literal, NamedTuple

from constitution.errors import ConfigError, Problem
from constitution.identity import seed_from
from constitution.model import Constitution, Rule
from judge.label_sets import LabelSet, Planted, players, real_set
from reports.dial import check_axes, dialled

Kind = Literal["all", "without", "subset", "none", "sham", "half", "dial"]
ADDITIVE: tuple[Rule, ...] = ("weighted_mean", "majority")
"""Rules under which a principle entered twice with half the weight leaves every label as it is."""
TOGETHER = "+"
DIAL = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Positions between two axes at which is trained."""


class Variant(NamedTuple):
    """One label set to train on, at every seed."""

    name: str
    kind: Kind
    label_set: LabelSet

    def at(self, seed: int) -> LabelSet:
        """The label set of this seed: a coin is thrown anew at each."""
        planted = tuple(one.model_copy(update={"seed": seed}) for one in self.label_set.planted)
        return self.label_set.model_copy(update={"planted": planted})

    @property
    def seeded(self) -> bool:
        """Whether its labels differ from seed to seed."""
        return any(one.kind == "sham" for one in self.label_set.planted)

    @property
    def kept(self) -> frozenset[str]:
        """The principles that count."""
        return frozenset(i for i, weight in self.label_set.weights.items() if weight > 0)


class Plan(NamedTuple):
    """Everything to be trained. The first variant is all principles; the planted ones are made of `model`."""

    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    players: tuple[str, ...]
    model: str | None

    def of_kind(self, *kinds: Kind) -> list[Variant]:
        """The variants of these kinds, in the plan's order."""
        return [variant for variant in self.variants if variant.kind in kinds]

    def lacking(self, *ids: str) -> Variant | None:
        """The variant of the real principles that leaves out exactly these."""
        kept = frozenset(self.players) - set(ids)
        kinds = ("all", "without", "subset", "none")
        return next((one for one in self.variants if one.kind in kinds and one.kept == kept), None)


class Asked(NamedTuple):
    """The command's options."""

    seeds: int = 1
    subsets: int = 0
    without: Sequence[str] = ()
    """Ids to leave out, each alone, or several together as `a+b`; all of them, each alone, where none is named."""
    controls: bool = True
    dial: tuple[str, str] | None = None
    """Two axes: train also with weight moved from the first to the second."""


def make_plan(constitution: Constitution, votes: Mapping[str, int], asked: Asked, seed: int) -> Plan:
    """The run's own seed and those after it; all principles, each left out, random subsets, planted controls.

    `votes`: the pairs that each principle voted on. Raises ConfigError for an id that cannot be left out.
    """
    can = players(constitution)
    full = real_set(constitution)
    left_out = _left_out(asked.without, can) or [(i,) for i in can]
    variants = [Variant("all", "all", full)]
    variants += [Variant(f"without {' and '.join(ids)}", "without", full.without(*ids)) for ids in left_out]
    drawn = random_subsets(can, asked.subsets, {one.kept for one in variants}, seed)
    if asked.subsets:
        variants.append(Variant("none", "none", LabelSet(weights={})))
    model = max(can, key=lambda i: (full.weights[i] * votes.get(i, 0), i)) if asked.controls else None
    if model:
        variants += _planted(constitution, full, model)
    variants += [
        Variant(f"subset {n}", "subset", full.without(*(set(can) - kept))) for n, kept in enumerate(drawn, start=1)
    ]
    if asked.dial:
        variants += _positions(constitution, *asked.dial)
    return Plan(tuple(variants), tuple(seed + n for n in range(asked.seeds)), tuple(can), model)


def _left_out(without: Sequence[str], can: Sequence[str]) -> list[tuple[str, ...]]:
    groups = [tuple(dict.fromkeys(one.split(TOGETHER))) for one in without]
    problems = [_no_such(i, can) for group in groups for i in group if i not in can]
    if problems:
        raise ConfigError(problems)
    return list(dict.fromkeys(tuple(sorted(group, key=can.index)) for group in groups))


def _no_such(wrong: str, can: Sequence[str]) -> Problem:
    close = get_close_matches(wrong, can, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    said = f"`{wrong}` is no principle with a weight above 0; there are: {', '.join(can)}{hint}"
    return Problem("--without", 0, 1, said)


def random_subsets(can: Sequence[str], count: int, taken: Iterable[frozenset[str]], seed: int) -> list[frozenset[str]]:
    """`count` different proper subsets, none empty and none in `taken`: a size drawn evenly from 1 to K - 1, then its
    members. All there are where fewer are left."""
    draw, seen = random.Random(seed_from("ablation subsets", seed)), set(taken)  # noqa: S311
    left = 2 ** len(can) - 2 - sum(0 < len(one) < len(can) for one in seen)
    found: list[frozenset[str]] = []
    while len(found) < min(count, left):
        one = frozenset(draw.sample(list(can), draw.randint(1, len(can) - 1)))
        if one not in seen:
            seen.add(one)
            found.append(one)
    return found


def _planted(constitution: Constitution, full: LabelSet, model: str) -> list[Variant]:
    """A sham beside all principles; and one of two copies left out, where two copies would change nothing."""
    sham = Planted(id=unused_id(f"sham-{model}"[:60], full), kind="sham", of=model)
    weighed = {**full.weights, sham.id: full.weights[model]}
    found = [Variant("with a sham", "sham", LabelSet(weights=weighed, planted=(sham,)))]
    if constitution.aggregation.rule in ADDITIVE:
        half = {**full.weights, model: full.weights[model] / 2}
        found.append(Variant(f"half of {model}", "half", LabelSet(weights=half)))
    return found


def dial_set(constitution: Constitution, first: str, second: str, t: float) -> LabelSet:
    """The principles that have a weight at this position."""
    turned = dialled(constitution, first, second, t).principles
    return LabelSet(weights={principle.id: principle.weight for principle in turned if principle.weight > 0})


def _positions(constitution: Constitution, first: str, second: str) -> list[Variant]:
    """Raises DataError for axes that a dial cannot be turned between. The middle is the constitution itself."""
    check_axes(constitution, first, second)
    return [
        Variant(f"dial {first}:{second} at {t:g}", "dial", dial_set(constitution, first, second, t))
        for t in DIAL
        if t != 0.5
    ]


def twice(full: LabelSet, model: str) -> LabelSet:
    """All principles, this one entered twice with half its weight each."""
    copy = Planted(id=unused_id(f"copy-{model}"[:60], full), kind="copy", of=model)
    half = full.weights[model] / 2
    return LabelSet(weights={**full.weights, model: half, copy.id: half}, planted=(copy,))


def unused_id(wanted: str, full: LabelSet) -> str:
    """`wanted`, with a number behind it if a principle has that name."""
    taken = (wanted.rstrip("-") + (f"-{n}" if n else "") for n in range(len(full.weights) + 1))
    return next(name for name in taken if name not in full.weights)
