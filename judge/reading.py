"""From what an engine gave back to a vote. Pure; a failure keeps its reason and is never a tie."""

from __future__ import annotations

import math

from generate.engine import Completion, Failure, Readout
from judge.interface import Ask, preferred
from judge.records import Vote
from judge.settings import LlmJudge
from judge.untrusted import bound
from judge.verdict import NEITHER, NoVerdict, Rationale, Verdict, read_verdict

LABEL_MASS_FLOOR = 1e-4
"""Less probability than this on both labels together means that the model was not answering the question."""
LOGIT_BOUND = 30.0
"""A label that the model gave no probability at all would make the logit infinite."""
RAW_CHARS = 2_000
"""How much of an answer is stored: no verdict is longer, and an answer of a megabyte is kept by its ends."""


def direct_vote(ask: Ask, readout: Readout) -> Vote:
    """logit = log p(A) - log p(B), clamped to +-LOGIT_BOUND; failed below LABEL_MASS_FLOOR on both together."""
    if readout.failure:
        return failed_vote(ask, readout.failure, readout.prompt_tokens)
    logp_a, logp_b = readout.logps
    missing = min(1.0, max(0.0, readout.missing_mass))
    raw = f"log p(A) = {logp_a:.6g}, log p(B) = {logp_b:.6g}"
    reason = None
    if math.isnan(logp_a) or math.isnan(logp_b):
        reason, missing = "not_a_number", 1.0
    elif math.exp(logp_a) + math.exp(logp_b) < LABEL_MASS_FLOOR:
        reason = "no_label_mass"
    return Vote(
        request=ask.request,
        state="failed" if reason else "valid",
        reason=reason,
        logit=None if reason else preferred(ask.principle, _within(logp_a - logp_b, LOGIT_BOUND)),
        missing_mass=missing,
        raw=raw,
        tokens_in=readout.prompt_tokens,
    )


def reasoned_vote(ask: Ask, answer: Completion, confidence: float, asked: type[Rationale] = Verdict) -> Vote:
    """logit = +-log(c / (1 - c)) by the verdict, with c = `confidence`; failed where the answer is no verdict."""
    if answer.failure:
        return failed_vote(ask, answer.failure, answer.prompt_tokens)
    read = read_verdict(answer.text, answer.finish, asked)
    vote = _of_answer(ask, answer, read)
    if isinstance(read, NoVerdict):
        return vote
    verdict: str = getattr(read, "verdict")  # noqa: B009  # of whichever type was asked
    if verdict == NEITHER:
        return vote.model_copy(update={"state": "abstain", "reason": NEITHER, "rationale": read.rationale})
    size = math.log(confidence / (1 - confidence))
    logit = preferred(ask.principle, size if verdict == "A" else -size)
    return vote.model_copy(update={"state": "valid", "reason": None, "logit": logit, "rationale": read.rationale})


def two_step_vote(ask: Ask, answer: Completion, rationale: Rationale, readout: Readout, settings: LlmJudge) -> Vote:
    """The direct vote after the rationale, p clamped to `clamp`. Tokens of both steps count."""
    vote = direct_vote(ask, readout)
    high = settings.clamp[1]
    logit = None if vote.logit is None else _within(vote.logit, math.log(high / (1 - high)))
    spent = {"tokens_in": answer.prompt_tokens + readout.prompt_tokens, "tokens_out": answer.tokens}
    return vote.model_copy(update={"logit": logit, "rationale": rationale.rationale, **spent})


def no_rationale_vote(ask: Ask, answer: Completion, reason: NoVerdict) -> Vote:
    """The failed vote of a judge that was to give its reasons first."""
    if answer.failure:
        return failed_vote(ask, answer.failure, answer.prompt_tokens)
    return _of_answer(ask, answer, reason)


def failed_vote(ask: Ask, failure: Failure, tokens_in: int = 0) -> Vote:
    """No answer came."""
    return Vote(
        request=ask.request, state="failed", reason=failure.reason, raw=_storable(failure.said), tokens_in=tokens_in
    )


def _of_answer(ask: Ask, answer: Completion, read: Rationale | NoVerdict) -> Vote:
    return Vote(
        request=ask.request,
        state="failed",
        reason=read.reason if isinstance(read, NoVerdict) else "unread",
        raw=_storable(answer.text),
        tokens_in=answer.prompt_tokens,
        tokens_out=answer.tokens,
    )


def _storable(text: str) -> str:
    """Bounded, and without half characters (lone surrogates), which no store can hold."""
    return bound(text, RAW_CHARS).text.encode("utf-8", "replace").decode("utf-8")


def _within(logit: float, most: float) -> float:
    return max(-most, min(most, logit))
