"""What a retraining leaves, and what the report says of all of them. Light: imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from constitution.identity import digest
from constitution.record import Record
from judge.label_sets import LabelSet
from judge.resampling import Score
from reports.ablation.effects import Effect

VERSION = 1
BehaviourKind = Literal["margin", "check", "feature"]
Outcome = Literal["raises", "lowers", "undetected", "unmeasured"]


class Retrained(Record):
    """One training on one label set: what it did to the held-out pairs, and to the answers it gave."""

    inputs: str
    """Digest of everything that determined the real run's training (TrainSummary.inputs)."""
    label_set: LabelSet
    """The principles that counted."""
    labels: str
    """Digest of the labels that they gave (judge/label_sets.py)."""
    seed: int
    """The order of the pairs, and the adapter to begin with."""
    steps: int
    """Optimizer steps: those of the weights that the real run kept."""
    h: dict[str, float]
    """Pair key -> h of every held-out pair, as in docs/training.md."""
    answers: dict[str, dict[str, float]] = Field(default={})
    """Sampled behaviour -> prompt key -> its mean over the answers; empty where none were sampled."""
    sampled: str = ""
    """Digest of how the answers were sampled; empty without."""
    seconds: float = Field(ge=0)
    """Wall-clock time."""

    @property
    def key(self) -> str:
        """What it is stored under."""
        return retrained_key(self.inputs, self.labels, self.seed, self.steps, self.sampled)


def retrained_key(inputs: str, labels: str, seed: int, steps: int, sampled: str = "") -> str:
    """Digest of everything that determines a retraining: the real training's inputs, other labels, seed, steps."""
    return digest("retrained", version=VERSION, inputs=inputs, labels=labels, seed=seed, steps=steps, sampled=sampled)


class Behaviour(Record):
    """Something that is measured of every retrained policy."""

    id: str
    """Unique in the report."""
    kind: BehaviourKind
    """`margin`: mean of (2 p_k - 1) h over held-out pairs, in the units of h. `check`: the principle's own score of
    sampled answers, higher is better. `feature`: a plain feature of sampled answers."""
    label: str
    """What it is, in words."""


class Cell(Record):
    """What the principles that were left out do to one behaviour: all principles minus all but these."""

    left_out: tuple[str, ...]
    """Ids of the principles."""
    behaviour: str
    """The behaviour's id."""
    effect: Effect
    """All principles minus all but these: above 0 where their presence raises the behaviour."""
    outcome: Outcome
    """As one word, for machines."""
    verdict: str
    """In words."""


class LabelChange(Record):
    """How the labels of one label set differ from the run's, over the pairs that are trained on."""

    name: str
    """The label set's name."""
    pairs: int
    """Pairs trained on."""
    changed: int
    """Of these, with another p."""
    flipped: int
    """Of these, with another answer preferred."""
    vanished: int
    """Without a label: they keep their place in training and pull nowhere."""
    mean_change: float
    """Mean |difference of p| where there still is a label."""
    appeared: int
    """Undecided pairs of the run that would have a label now. They are not trained on: the pairs stay the run's."""


class Redundancy(Record):
    """Whether two principles hide each other: whether leaving both out does more than leaving out each."""

    first: str
    second: str
    agreement: Score
    """Cosine of the two principles' votes 2p - 1 over the pairs that are trained on: 1 where they always agree."""
    interaction: dict[str, Effect]
    """Behaviour -> (effect of leaving out both) - (sum of the two effects), where both were left out together."""
    measured: Literal["retrained", "votes"]
    """Whether the answer rests on a retraining or on the votes' agreement alone."""
    hidden: bool
    """Whether they hide each other."""
    verdict: str
    """In words."""


class ShapleyValue(Record):
    """One principle's credit for one behaviour."""

    principle: str
    behaviour: str
    effect: Effect
    """The value with its interval over seeds and prompts."""
    subset_error: float | None
    """Standard error from the choice of subsets; None where all were trained."""


class Shapley(Record):
    """How the whole change of each behaviour is divided among the principles."""

    method: Literal["exact", "least squares"] | None
    """`exact`: from all subsets. `least squares`: from some (Lundberg and Lee 2017). None: `why` says why not."""
    why: str
    """Where there is none: what is missing; else the method in words."""
    sets: int
    """Subsets that it rests on, the empty and the whole one included."""
    values: tuple[ShapleyValue, ...] = ()
    """Empty where there is no method."""


class Control(Record):
    """A planted principle, whose effect is known beforehand, and what the report makes of it."""

    kind: Literal["sham", "duplicate"]
    of: str
    """The real principle that it is made of."""
    effects: dict[str, Effect]
    """What it rests on, by name."""
    passed: bool | None
    """Whether it came out as it must; None where it could not be asked."""
    verdict: str
    """In words."""


class Reproduced(Record):
    """Whether the run's own labels, trained again, give the run's own policy."""

    margin_of_run: float | None
    """The run's held-out margin, from 50-training.json."""
    margin_again: float | None
    """The same of the retraining."""
    same: bool | None
    """Whether they are the same to rounding; None where the run holds nothing out."""


class AblationReport(Record):
    """Everything on the page."""

    run: str
    """The run's name."""
    inputs: str
    """Digest of what determined the real run's training."""
    rule: str
    """The constitution's aggregation rule."""
    principles: tuple[str, ...]
    """Ids of the principles with a weight."""
    trained_pairs: int
    """Pairs trained on, the same in every retraining."""
    seeds: tuple[int, ...]
    """The seeds of the retrainings."""
    steps: int
    """Optimizer steps of each."""
    retrainings: int
    """Different retrainings that the figures rest on."""
    seconds: float
    """Time that they took."""
    level: float
    """Level of every interval."""
    resamples: int
    """Bootstrap draws."""
    behaviours: tuple[Behaviour, ...]
    """What was measured."""
    cells: tuple[Cell, ...]
    """The matrix."""
    labels: tuple[LabelChange, ...]
    """The data-size confound: what each label set does to the labels."""
    redundancy: tuple[Redundancy, ...]
    """Every pair of principles that voted on the same pairs."""
    shapley: Shapley
    """Credit, where subsets were trained."""
    controls: tuple[Control, ...]
    """The planted principles."""
    reproduced: Reproduced
    """The check of the machinery."""
    notes: tuple[str, ...]
    """What a reader must know."""
