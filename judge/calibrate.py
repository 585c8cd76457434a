"""Fit a calibration: from gold labels, or without any from the judge's own votes.

`gold`        y is what annotators prefer; x the judge's preference. P(y = a) = sigma(x / T).
`order_swap`  y is the judge's own verdict in the other order, x its logit in this one, each order in turn, the
              principle's mean position bias removed from both. T is then such that p is the probability that the judge,
              asked in the other order, says the same again. That is consistency, not accuracy: errors that both orders
              share, such as a taste for length, are invisible to it. If the orders erred independently it would be too
              cautious (orders that are right with q agree with q^2 + (1 - q)^2 < q). So it may only take confidence
              away: T >= 1.
`batch`       one order and no gold: nothing says how sure to be (T = 1), but the mean lean over the batch is removed
              (batch calibration, Zhou et al., arXiv 2309.17249, as the mean of the log-odds). Assumes that over the
              batch each slot holds the better response equally often.

With both orders a constant lean cancels in the preference, (l_ab - l_ba) / 2: no bias is removed there. With one order
and gold, the bias is the mean of its two class means, so that gold which mostly prefers `a` is not taken for a lean.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from constitution.identity import digest, seed_from
from constitution.model import Principle
from judge.calibration import (
    BeforeAfter,
    Calibration,
    Method,
    PrincipleCalibration,
    Refusal,
    Scores,
    Temperature,
    shown_how,
)
from judge.interface import Judge
from judge.resampling import Z_95, Z_POWER, Floats, Score, mean_score, nothing
from judge.scores import accuracy, brier, calibration_error, log_loss, log_losses, sigmoid
from judge.temperature import Labelled, Slope, fit_slopes

T_MIN, T_MAX = 0.05, 100.0
FEWEST_LABELS = 30
"""Decided labels of all principles together below which no temperature is fitted."""
FOLDS = 5
POWER = Z_95 + Z_POWER
"""Standard errors that an effect must be away from 0 to be seen with 80 % probability at the 5 % level."""


class Evidence(NamedTuple):
    """A principle with what there is to fit its temperature on. `bias`: to be removed from each logit first."""

    principle: Principle
    labelled: Labelled
    bias: Score | None


def calibrate(judge: Judge, method: Method, evidence: Sequence[Evidence], made: str | None = None) -> Calibration:
    """The record, refusals included. Deterministic but for `made`, which is now unless given."""
    refused = [Refusal(principle=e.principle.id, reason=reason) for e in evidence if (reason := _refusal(e, method))]
    names = {refusal.principle for refusal in refused}
    usable = [e for e in evidence if e.principle.id not in names]
    total = sum(_decided(e.labelled) for e in usable)
    if method != "batch" and total < FEWEST_LABELS:
        few = (
            f"{total} decided labels over all principles are too few to fit a temperature on: at least {FEWEST_LABELS}"
        )
        refused += [Refusal(principle=e.principle.id, reason=few) for e in usable]
        usable = []
    entries, overall = _fitted(judge, method, usable) if usable else ((), None)
    return Calibration(
        judge=judge.name,
        judge_digest=judge.digest,
        method=method,
        data=_data_digest(evidence),
        folds=FOLDS if overall else 0,
        made=made or datetime.now(UTC).isoformat(timespec="seconds"),
        scores=overall,
        principles=tuple(entries),
        refused=tuple(refused),
    )


def _refusal(evidence: Evidence, method: Method) -> str | None:
    if not len(evidence.labelled.logits_N):
        return (
            "there is no valid vote on it" if method == "batch" else "no pair has both a valid vote and a label on it"
        )
    if method != "batch" and not _decided(evidence.labelled):
        return "no label on it prefers either response"
    if method != "batch" and not evidence.labelled.logits_N.any():
        return "the judge prefers neither response of any labelled pair"
    return None


def _decided(labelled: Labelled) -> int:
    return int((labelled.gold_N != 0.5).sum())


def _data_digest(evidence: Sequence[Evidence]) -> str:
    """Of every (principle, prompt, logit, label), in any order."""
    rows = [
        [e.principle.key, prompt, logit, gold]
        for e in evidence
        for prompt, logit, gold in zip(
            e.labelled.prompts, e.labelled.logits_N.tolist(), e.labelled.gold_N.tolist(), strict=True
        )
    ]
    return digest("calibration data", rows=sorted(rows))


def _fitted(
    judge: Judge, method: Method, usable: Sequence[Evidence]
) -> tuple[list[PrincipleCalibration], BeforeAfter | None]:
    if method == "batch":
        return [_entry(judge, method, e, Slope(1.0, 1.0, 1.0, 1.0), None) for e in usable], None
    slopes = fit_slopes([_centred(e) for e in usable])
    after = _cross_fitted(usable, method)
    scores = [_before_after([e], [found]) for e, found in zip(usable, after, strict=True)]
    entries = [_entry(judge, method, *row) for row in zip(usable, slopes, scores, strict=True)]
    return entries, _before_after(usable, after)


def _centred(evidence: Evidence) -> Labelled:
    return evidence.labelled._replace(logits_N=evidence.labelled.logits_N - _bias(evidence))


def _bias(evidence: Evidence) -> float:
    return evidence.bias.value if evidence.bias and evidence.bias.value is not None else 0.0


def bounded(slope: Slope, method: Method) -> Temperature:
    """T = 1 / slope within its bounds; at the upper one where the slope's interval reaches 0: chance."""
    lowest = 1.0 if method == "order_swap" else T_MIN

    def within(inverse: float) -> float:
        return min(T_MAX, max(lowest, 1 / inverse)) if inverse > 0 else T_MAX

    return Temperature(
        value=T_MAX if slope.low <= 0 else within(slope.value), low=within(slope.high), high=within(slope.low)
    )


def _cross_fitted(evidence: Sequence[Evidence], method: Method) -> list[Floats]:
    """Every pair's logit, less the bias and over the temperature that the other folds of prompts gave its principle."""
    found = [np.array(e.labelled.logits_N) for e in evidence]
    folds = [np.array([seed_from("fold", prompt) % FOLDS for prompt in e.labelled.prompts]) for e in evidence]
    for fold in range(FOLDS):
        kept = [k for k, fold_N in enumerate(folds) if (fold_N != fold).any()]
        rest = [_without(evidence[k], folds[k] != fold) for k in kept]
        centred = [_centred(e) for e in rest]
        if not any(group.logits_N.any() for group in centred):
            continue
        for k, others, slope in zip(kept, rest, fit_slopes(centred), strict=True):
            mine_N = folds[k] == fold
            found[k][mine_N] = (found[k][mine_N] - _bias(others)) / bounded(slope, method).value
    return found


def _without(evidence: Evidence, chosen_N: np.ndarray) -> Evidence:
    """The chosen rows, with a bias of their own where one is to be removed."""
    labelled = _rows(evidence.labelled, chosen_N)
    return Evidence(evidence.principle, labelled, lean_of(labelled, gold=True) if evidence.bias else None)


def _rows(labelled: Labelled, chosen_N: np.ndarray) -> Labelled:
    prompts = tuple(prompt for prompt, chosen in zip(labelled.prompts, chosen_N, strict=True) if chosen)
    return Labelled(labelled.logits_N[chosen_N], labelled.gold_N[chosen_N], prompts)


def _before_after(evidence: Sequence[Evidence], after: Sequence[Floats]) -> BeforeAfter:
    before_N = np.concatenate([e.labelled.logits_N for e in evidence])
    after_N, gold_N = np.concatenate(after), np.concatenate([e.labelled.gold_N for e in evidence])
    prompts = [prompt for e in evidence for prompt in e.labelled.prompts]
    squares_N = (sigmoid(after_N) - gold_N) ** 2 - (sigmoid(before_N) - gold_N) ** 2
    return BeforeAfter(
        before=_scores(before_N, gold_N, prompts),
        after=_scores(after_N, gold_N, prompts),
        brier_change=mean_score(squares_N, prompts),
        log_loss_change=mean_score(log_losses(after_N, gold_N) - log_losses(before_N, gold_N), prompts),
    )


def _scores(logits_N: Floats, gold_N: Floats, prompts: Sequence[str]) -> Scores:
    p_N = sigmoid(logits_N)
    error = calibration_error(p_N, gold_N, prompts)
    return Scores(
        accuracy=accuracy(p_N, gold_N, prompts),
        brier=brier(p_N, gold_N, prompts),
        log_loss=log_loss(logits_N, gold_N, prompts),
        ece=error.score,
        ece_if_calibrated=error.if_calibrated,
    )


def _entry(
    judge: Judge, method: Method, evidence: Evidence, slope: Slope, scores: BeforeAfter | None
) -> PrincipleCalibration:
    labelled, batch = evidence.labelled, method == "batch"
    found = PrincipleCalibration(
        principle=evidence.principle.id,
        key=evidence.principle.key,
        showings=shown_how(judge.showings(evidence.principle)),
        labels=0 if batch else _decided(labelled),
        prompts=len(set(labelled.prompts)),
        temperature=Temperature(value=1.0) if batch else bounded(slope, method),
        own=slope.own,
        at_chance=slope.low <= 0,
        bias=evidence.bias,
        scores=scores,
    )
    return found.model_copy(update={"note": in_words(found, method, _detectable(labelled, slope))})


def _detectable(labelled: Labelled, slope: Slope) -> float:
    """The least accuracy that as many labels would tell from chance, in four samples of five."""
    error = (slope.high - slope.low) / (2 * Z_95)
    return float(sigmoid(POWER * error * np.abs(labelled.logits_N)).mean())


def in_words(found: PrincipleCalibration, method: Method, detectable: float) -> str:
    """One principle's result for people."""
    if method == "batch":
        return f"no label says how sure to be, T stays 1; {_lean_in_words(found)}"
    against = "the judge's own verdicts in the other order" if method == "order_swap" else "gold"
    lean = f"; {_lean_in_words(found)}" if found.bias else ""
    if found.at_chance:
        seen = f"{found.labels} labels of {found.prompts} prompts; an accuracy of {detectable:.0%} would have been seen"
        bound = f"T is at its bound {T_MAX:g}, it has next to no say"
        return f"cannot be told from chance against {against}, or is worse ({seen}): {bound}{lean}"
    t = found.temperature
    drawn = f", {1 - found.own:.0%} of it drawn from the judge's other principles" if found.own < 0.95 else ""
    return f"T {t.value:.2f} [{t.low:.2f}, {t.high:.2f}] against {against}, {found.labels} labels{drawn}{lean}"


def _lean_in_words(found: PrincipleCalibration) -> str:
    if found.bias is None or found.bias.value is None:
        return "a lean to the first answer cannot be told from a preference, since gold prefers one slot only"
    return f"the mean lean of {found.bias.value:+.2f} logits to the first answer is removed"


def lean_of(labelled: Labelled, gold: bool) -> Score:
    """The bias of one-order logits: the mean of the class means, or the mean over the batch where there is no gold.

    Without a value where gold always prefers the same slot: a lean cannot then be told from a preference.
    """
    if not gold:
        return mean_score(labelled.logits_N, labelled.prompts)
    a_N, b_N = labelled.gold_N > 0.5, labelled.gold_N < 0.5
    if not a_N.any() or not b_N.any():
        return nothing(len(a_N), len(set(labelled.prompts)))
    weights_N = np.where(a_N, 0.5 / a_N.mean(), np.where(b_N, 0.5 / b_N.mean(), 0.0))
    return mean_score(weights_N * labelled.logits_N, labelled.prompts)
