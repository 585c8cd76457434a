"""A language model as judge: one principle and one pair a call, read as probabilities of A and B, or as a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from constitution.errors import JudgeError
from constitution.identity import digest
from constitution.model import Principle
from generate.engine import Completion, Engine, ModelRef, Readout
from generate.records import Message, Pair
from judge.interface import Ask, Showing, preferred, vote_request
from judge.records import Order, Vote, VoteRequest
from judge.settings import LlmJudge
from judge.template import JudgeTemplate, Rendered, render
from judge.verdict import LABELS, Canary, NoVerdict, Verdict, read_verdict, verdict_within

LABEL_MASS_FLOOR = 1e-4
"""Less probability than this on both labels together means that the model was not answering the question."""
LOGIT_BOUND = 30.0
"""A label that the model gave no probability at all would make the logit infinite."""
CANARY_TOKENS = 48


class JudgeByModel:
    """Asks an engine. The digest leaves the engine out: it decides how numbers are computed, not what they mean."""

    def __init__(
        self, name: str, settings: LlmJudge, template: JudgeTemplate, model: ModelRef, engine: Callable[[], Engine]
    ) -> None:
        """Loads nothing; `engine` is called once, at the first vote."""
        self.name = name
        self.batch_pairs = settings.batch_pairs
        self.digest = judge_digest(settings, template, model)
        self._settings = settings
        self._template = template
        self._open = engine
        self._engine: Engine | None = None

    def showings(self, principle: Principle) -> tuple[Showing, ...]:
        """See Judge."""
        return (Showing("ab"), Showing("ba")) if self._settings.orders == "both" else (Showing("ab"),)

    def request(self, pair: Pair, principle: Principle, showing: Showing) -> VoteRequest:
        """See Judge."""
        rendered = self._render(pair, principle, showing.order)
        return vote_request(self.digest, pair, principle, showing, rendered.digest)

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """See Judge. Raises JudgeError if the engine turns out not to constrain what must be constrained."""
        engine = self._opened()
        prompts = [self._render(ask.pair, ask.principle, ask.request.order).messages for ask in asks]
        if self._settings.readout == "direct":
            readouts = engine.read_choices(prompts, LABELS)
            return [direct_vote(ask, readout) for ask, readout in zip(asks, readouts, strict=True)]
        asked = verdict_within(self._settings.rationale_chars)
        answers = engine.complete_json(prompts, asked, self._settings.max_new_tokens, seed=0)
        confidence = self._settings.reasoned_confidence
        return [reasoned_vote(ask, answer, confidence, asked) for ask, answer in zip(asks, answers, strict=True)]

    def _render(self, pair: Pair, principle: Principle, order: Order) -> Rendered:
        return render(self._template, pair, principle, order, self._settings.readout, self._settings.max_chars)

    def _opened(self) -> Engine:
        if self._engine is None:
            engine = self._open()
            if self._settings.readout == "reasoned":
                check_constrains(engine)
            self._engine = engine
        return self._engine


def judge_digest(settings: LlmJudge, template: JudgeTemplate, model: ModelRef) -> str:
    """Everything that can change a vote besides the question: model, revision, template, and how the answer is read."""
    reading: dict[str, str | int | float] = {"readout": settings.readout, "labels": "".join(LABELS)}
    if settings.readout == "reasoned":
        reading |= {
            "confidence": settings.reasoned_confidence,
            "max_new_tokens": settings.max_new_tokens,
            "schema": digest("schema", value=verdict_within(settings.rationale_chars).model_json_schema()),
        }
    return digest(
        "judge", type="llm", model=model.name, revision=model.revision, template=template.digest, reading=reading
    )


def direct_vote(ask: Ask, readout: Readout) -> Vote:
    """logit = log p(A) - log p(B), clamped to +-LOGIT_BOUND; failed below LABEL_MASS_FLOOR on both together."""
    logp_a, logp_b = readout.logps
    missing = min(1.0, max(0.0, readout.missing_mass))
    raw = f"log p(A) = {logp_a:.6g}, log p(B) = {logp_b:.6g}"
    reason = None
    if math.isnan(logp_a) or math.isnan(logp_b):
        reason, missing = "not_a_number", 1.0
    elif math.exp(logp_a) + math.exp(logp_b) < LABEL_MASS_FLOOR:
        reason = "no_label_mass"
    logit = None if reason else preferred(ask.principle, max(-LOGIT_BOUND, min(LOGIT_BOUND, logp_a - logp_b)))
    return Vote(
        request=ask.request,
        state="failed" if reason else "valid",
        reason=reason,
        logit=logit,
        missing_mass=missing,
        raw=raw,
        tokens_in=readout.prompt_tokens,
    )


def reasoned_vote(ask: Ask, answer: Completion, confidence: float, asked: type[Verdict] = Verdict) -> Vote:
    """logit = +-log(c / (1 - c)) by the verdict, with c = `confidence`; failed where the answer is no verdict."""
    verdict = read_verdict(answer.text, answer.finish, asked)
    failed = isinstance(verdict, NoVerdict)
    size = math.log(confidence / (1 - confidence))
    return Vote(
        request=ask.request,
        state="failed" if failed else "valid",
        reason=verdict.reason if isinstance(verdict, NoVerdict) else None,
        logit=None
        if isinstance(verdict, NoVerdict)
        else preferred(ask.principle, size if verdict.verdict == "A" else -size),
        rationale=None if isinstance(verdict, NoVerdict) else verdict.rationale,
        raw=answer.text,
        tokens_in=answer.prompt_tokens,
        tokens_out=answer.tokens,
    )


def check_constrains(engine: Engine) -> None:
    """Ask for prose under a constraint: an engine that ignores the constraint answers prose, and must not judge.

    Raises JudgeError. Servers have been known to drop a constraint without a word when its parameter was renamed.
    """
    question = (Message(role="user", content="Tell me in one sentence what the sea looks like."),)
    answer = engine.complete_json([question], Canary, CANARY_TOKENS, seed=0)[0]
    try:
        Canary.model_validate_json(answer.text)
    except ValueError as error:
        raise JudgeError(
            f"engine `{engine.name}` does not constrain its answers: asked for a fixed JSON object it said "
            f"{answer.text[:80]!r}. Use `readout: direct`, or an engine with structured output."
        ) from error
