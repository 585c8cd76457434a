"""What a comparison of runs reads (Side) and what it says (RunsCompared)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import JsonValue

from constitution.diff import ConstitutionDiff
from constitution.model import Constitution
from constitution.record import Record
from generate.records import Pair
from judge.agreement import Rate
from judge.pivotal import Change
from judge.records import Label
from reports.data import HeldOutAnswers
from reports.settings import BehaviourSettings
from reports.statistics import Interval

Kind = Literal["principle", "check", "feature"]
Outcome = Literal["higher", "lower", "undetected", "unmeasured"]


class PairLabel(NamedTuple):
    """A label with what identifies its pair in any run: the keys of its two answers, and its prompt's."""

    a: str
    b: str
    prompt: str
    label: Label


class Measured(NamedTuple):
    """What the win rates were measured by: the key of every principle by id, and the judge with its calibration."""

    principles: dict[str, str]
    judge: tuple[str, ...]


class Side(NamedTuple):
    """One run, as far as it has come. What it has not come to is None."""

    name: str
    folder: str
    config: dict[str, JsonValue]
    facts: dict[str, dict[str, str]]
    """Group -> name -> value: models and judge, data, versions."""
    constitution: Constitution
    settings: BehaviourSettings
    seed: int
    labels: list[PairLabel] | None
    answers: list[HeldOutAnswers] | None
    measured: Measured | None
    notes: tuple[str, ...]
    pairs: Iterable[Pair]
    """The pairs that `labels` are of, with their texts; read anew whenever they are iterated."""


class RunShown(Record):
    """One of the runs."""

    name: str
    """The name it has here: its own, or its folder's path where two have the same."""
    folder: str
    """Where it is."""
    constitution: str
    """Its constitution's name."""
    key: str
    """Its constitution's key."""
    prompts: int | None
    """Held-out prompts that both its policies have answered; None: none yet."""
    labelled: int | None
    """Pairs with a label; None: not labelled yet."""
    notes: tuple[str, ...]
    """What is missing or doubtful."""


class Setting(Record):
    """One thing that is not the same in all runs."""

    group: str
    """`settings`, or what else it belongs to."""
    name: str
    """Its name, as in the run file where it is a setting."""
    values: tuple[JsonValue, ...]
    """One for each run, None where a run has no such thing."""


class BehaviourRow(Record):
    """One behaviour: its change from the reference to the trained policy in two runs, and the difference of these."""

    kind: Kind
    """`principle`: win rate of the trained policy against the reference, by the judge. `check`: mean of a principle's
    own check over the answers, where the judge's win rates cannot be compared. `feature`: of reports/features.py."""
    id: str
    """The principle's or the feature's id."""
    label: str
    """In words."""
    scale: Literal["share", "number"]
    """A share, whose differences are in points, or a number in its own unit."""
    first: Interval | None
    """Change in the first run, mean over the shared prompts; of a win rate, its distance from one half. None where
    nothing can be compared."""
    other: Interval | None
    """The same in the other run."""
    difference: Interval | None
    """Other minus first, paired by prompt; None where nothing can be compared."""
    detectable: float | None
    """The difference that this number of prompts finds with 80 % power; None where the spread is unknown."""
    p: float | None
    """Two-sided p-value (Student's t over prompts) of no difference."""
    p_holm: float | None
    """The same, adjusted for all rows of all couples (Holm)."""
    failed: int
    """Comparisons without a valid preference in either run: left out."""
    outcome: Outcome
    """`higher` or `lower` in the other run: the whole interval is on that side, and p after Holm's
    adjustment agrees."""
    verdict: str
    """In words."""


class LeftOut(Record):
    """Something that only stands in one run, or cannot be compared."""

    what: str
    """Its name."""
    why: str
    """Why not."""


class PrincipleSides(Record):
    """One principle's opinions on the shared pairs."""

    principle: str
    """Its id in the other run."""
    reworded: bool
    """Whether its meaning differs, so that other opinions are to be expected."""
    flips: Rate
    """Of the pairs on which both its opinions take a side: another side."""


class LabelChange(Record):
    """One pair whose label is not the same in both runs."""

    change: Change
    """`flips`: the other answer is preferred. `appears`: only the other run has a label. `vanishes`: only the first."""
    first: float | None
    """Probability that `pair.a` is the better answer by the first run's rule, selected or not; None: no label."""
    other: float | None
    """The same by the other run's."""
    first_trained: bool
    """Whether the first run trains on the pair."""
    other_trained: bool
    """Whether the other does."""
    pair: Pair
    """The prompt and both answers, as the first run has them."""


class JudgedLabels(Record):
    """What becomes of the labels of all shared pairs, selected or not; n of each rate is these pairs."""

    same: Rate
    """The same answer preferred, or no label in either."""
    flips: Rate
    """The other answer preferred."""
    appears: Rate
    """A label in the other run alone."""
    vanishes: Rate
    """A label in the first run alone."""
    changed: tuple[LabelChange, ...]
    """Every pair but the same ones, those whose p moved furthest first."""


class PromptsTrained(Record):
    """The pairs to train on, prompt by prompt: with `pairing: best_worst` one a prompt."""

    prompts: int
    """Prompts that both runs have pairs of, with a pair to train on in either."""
    same: int
    """The same pairs, the same answers preferred."""
    turned: int
    """The same pairs, another answer preferred in some."""
    other: int
    """Other pairs; or some for the first time, or none any more."""


class LabelsCompared(Record):
    """The labels of two runs on the pairs that both have, whichever answer stands first."""

    first_pairs: int
    """Pairs of the first run."""
    other_pairs: int
    """Pairs of the other."""
    shared: int
    """Pairs of the same two answers in both."""
    flips: Rate
    """Of the shared pairs that both train on: the other answer preferred. The interval is over prompts."""
    only_first: int
    """Shared pairs that only the first run trains on: without a label in the other, or not selected there."""
    only_other: int
    """Shared pairs that only the other trains on."""
    trained: PromptsTrained
    """On which pairs they train, prompt by prompt."""
    judged: JudgedLabels | None
    """All shared pairs, selected or not; None where there is none, or labels are of another constitution than their
    run's."""
    principles: tuple[PrincipleSides, ...]
    """Principles of both constitutions, in the other's order."""


class Couple(Record):
    """Two of the runs; the first is what the other is held against."""

    first: str
    """Its name."""
    other: str
    """Its name."""
    constitution: ConstitutionDiff
    """What was done to the first one's constitution to get the other's."""
    prompts: int
    """Held-out prompts that both have answered."""
    behaviours: tuple[BehaviourRow, ...]
    """Principles, checks, features."""
    left_out: tuple[LeftOut, ...]
    """What could not be compared."""
    labels: LabelsCompared | None
    """None where one of them has no labels."""
    notes: tuple[str, ...]
    """What a reader must know first."""


class RunsCompared(Record):
    """All of it."""

    runs: tuple[RunShown, ...]
    """The first is what the others are held against."""
    settings: tuple[Setting, ...]
    """What is not the same in all of them; the constitutions are under the couples."""
    couples: tuple[Couple, ...]
    """The first with each of the others."""
    level: float
    """Level of every interval of a behaviour."""
    tested: int
    """Rows that Holm's adjustment is for."""
