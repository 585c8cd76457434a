"""A judge's calibration as a stored record, whether it may be applied, and what it does to a preference.

    p = sigma((logit - bias) / T),  one T for each (judge, principle); `bias` only where one order is shown

A vote never changes: calibration acts when votes become labels, in judge/labels.py, and the label names it. Made by
judge/calibrate.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, ValidationError

from constitution.errors import DataError, JudgeError, harmless
from constitution.identity import digest
from constitution.model import Principle
from constitution.record import Record
from judge.interface import Judge, Showing
from judge.resampling import Score

CALIBRATION_SCHEMA: Literal[1] = 1
Method = Literal["gold", "order_swap", "batch"]


class Temperature(Record):
    """What logits are divided by, with its 95 % interval; above 1 the judge was too sure of itself."""

    value: float = Field(gt=0)
    """T."""
    low: float | None = None
    """None where T was not estimated."""
    high: float | None = None
    """None where T was not estimated."""


class Scores(Record):
    """Probabilities against labels; with `order_swap` the labels are the judge's own verdicts in the other order."""

    accuracy: Score
    """How often label and judge prefer the same response."""
    brier: Score
    """Mean squared error of p."""
    log_loss: Score
    """Mean of -log p of the label, in nats."""
    ece: Score
    """Expected calibration error, equal-mass bins."""
    ece_if_calibrated: float | None
    """What sampling noise alone would make of it."""


class BeforeAfter(Record):
    """Scores as the judge gave its probabilities, and calibrated by labels of other prompts only (cross-fitted)."""

    before: Scores
    """T = 1, no bias removed."""
    after: Scores
    """Each pair with the temperature and the bias that the other folds gave."""
    brier_change: Score
    """After minus before, pair by pair; below 0 is better."""
    log_loss_change: Score
    """The same of the log loss."""


class PrincipleCalibration(Record):
    """One principle's part of a calibration."""

    principle: str
    """Its id."""
    key: str
    """Its key: a principle whose meaning has changed since is another one."""
    showings: tuple[str, ...]
    """How the judge was shown each pair: orders and replicates, such as `ab0`."""
    labels: int
    """Decided labels that T rests on."""
    prompts: int
    """Prompts they are of."""
    temperature: Temperature
    """T with its interval."""
    own: float = Field(ge=0, le=1)
    """How much of T rests on this principle's own labels; the rest is drawn from the judge's other principles."""
    at_chance: bool
    """Whether the judge cannot be told from chance here: T is then at its upper bound."""
    bias: Score | None = None
    """Mean lean to the first response in logits, removed before the division; only where one order is shown."""
    scores: BeforeAfter | None = None
    """How much better the probabilities become; None where there are no labels to say it."""
    note: str = ""
    """All of this in plain words."""


class Refusal(Record):
    """A principle that was not calibrated."""

    principle: str
    """Its id."""
    reason: str
    """Why, in a sentence."""


class Calibration(Record):
    """One judge's temperatures, as `preceptor calibrate` stores them."""

    schema_version: Literal[1] = CALIBRATION_SCHEMA
    """Of this record."""
    judge: str
    """The judge's name in the run file."""
    judge_digest: str
    """What it was: model with revision, template, read-out."""
    method: Method
    """`gold`: against gold labels. `order_swap`: against the judge's own verdicts in the other order: consistency, not
    accuracy. `batch`: no temperature, only the mean lean of one-order votes is removed."""
    data: str
    """Digest of the votes and labels."""
    folds: int
    """Folds of prompts for the scores before and after."""
    made: str
    """When, ISO 8601, UTC."""
    scores: BeforeAfter | None = None
    """All principles together."""
    principles: tuple[PrincipleCalibration, ...]
    """One for each principle that could be calibrated."""
    refused: tuple[Refusal, ...] = ()
    """The others."""


class Applied(NamedTuple):
    """What acts on a run's preferences: entries by principle id, the digest that names them, what to tell the user."""

    digest: str
    entries: Mapping[str, PrincipleCalibration]
    notes: tuple[str, ...]


def read_calibration(path: Path) -> Calibration:
    """The stored record. Raises DataError if there is none, or none of this version."""
    try:
        return Calibration.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{harmless(str(path))}: no calibration can be read there ({error.strerror}); `preceptor calibrate` "
            "writes one"
        ) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise DataError(
            f"{harmless(str(path))}: not a calibration of version {CALIBRATION_SCHEMA}; make it again with "
            "`preceptor calibrate`"
        ) from error


def applicable(
    calibration: Calibration, file: str, judge: Judge, principles: Iterable[Principle]
) -> tuple[dict[str, PrincipleCalibration], list[str]]:
    """The entries that hold for this judge and these principles, and a sentence for each principle without one.

    Raises JudgeError if the record was made for another judge, or for other showings of the pairs.
    """
    if calibration.judge_digest != judge.digest:
        raise JudgeError(
            f"judge `{judge.name}`: {harmless(file)} was made for another judge (digest {calibration.judge_digest}, "
            f"this one is {judge.digest}): model, template or read-out have changed since. {_again(judge, file)}"
        )
    stored = {entry.principle: entry for entry in calibration.principles}
    refused = {refusal.principle: refusal.reason for refusal in calibration.refused}
    entries, notes = {}, []
    for principle in principles:
        entry = stored.get(principle.id)
        if entry is None or entry.key != principle.key:
            changed = "its meaning has changed since" if entry else refused.get(principle.id, "it is not in the file")
            notes.append(f"{principle.id} is not calibrated by {file}: {changed}; its votes are taken as they are")
        elif entry.showings != shown_how(judge.showings(principle)):
            raise JudgeError(
                f"judge `{judge.name}`: {harmless(file)} was made with the showings {', '.join(entry.showings)} for "
                f"`{principle.id}`, but now they are {', '.join(shown_how(judge.showings(principle)))}. "
                f"{_again(judge, file)}"
            )
        else:
            entries[principle.id] = entry
    return entries, notes


def _again(judge: Judge, file: str) -> str:
    return (
        f"Run `preceptor calibrate RUN.yaml --judge {judge.name} --out {harmless(file)}` again, or take `calibration` "
        "out of the judge's entry"
    )


def shown_how(showings: Iterable[Showing]) -> tuple[str, ...]:
    """Showings as words: `ab0`, `ba0`."""
    return tuple(f"{showing.order}{showing.replicate}" for showing in showings)


def applied(entries: Mapping[str, PrincipleCalibration], notes: Iterable[str]) -> Applied:
    """The digest covers what acts: principle, temperature, bias. Not dates, file names or scores."""
    acting = [
        [i, entry.key, entry.temperature.value, entry.bias.value if entry.bias else 0.0]
        for i, entry in sorted(entries.items())
    ]
    return Applied(digest("calibration", entries=acting), dict(entries), tuple(notes))


def calibration_inputs(calibration: Applied | None) -> dict[str, str]:
    """What a stage that reads calibrated preferences depends on; nothing where there is no calibration."""
    return {"calibration": calibration.digest} if calibration else {}


def calibration_lines(calibration: Applied | None) -> list[str]:
    """What a stage says of the calibration that it has applied."""
    if calibration is None:
        return []
    words = [f"  {i}: {entry.note}" for i, entry in calibration.entries.items()]
    return ["probabilities are calibrated:", *words, *(f"  {note}" for note in calibration.notes)]


def calibrated(logit: float, entry: PrincipleCalibration) -> float:
    """The preference in logits, calibrated."""
    bias = entry.bias.value if entry.bias and entry.bias.value is not None else 0.0
    return (logit - bias) / entry.temperature.value
