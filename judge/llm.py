"""A language model as judge: one principle and one pair a call, read as probabilities of A and B, or as a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from constitution.errors import JudgeError, ModelError
from constitution.identity import digest, seed_from
from constitution.model import Principle
from generate.engine import TRANSIENT, Completion, Drawn, Engine, Failure, ModelRef, Readout
from generate.records import Message, Pair
from judge.canary import check_constrains
from judge.interface import Ask, Showing, Stopped, vote_request
from judge.reading import direct_vote, no_rationale_vote, reasoned_vote, two_step_vote
from judge.records import Order, Vote, VoteRequest
from judge.settings import LlmJudge
from judge.template import Block, JudgeTemplate, Rendered, label_question, render
from judge.untrusted import neutralise
from judge.verdict import LABELS, FreeVerdict, NoVerdict, Rationale, Verdict, read_verdict, within

PROBE = (Message(role="user", content="Say A or B."),)
BLOCKS: dict[str, Block] = {"direct": "direct", "reasoned": "reasoned", "two_step": "think"}


class _Given(NamedTuple):
    """A vote, and the failure that it comes of, if it is one of the engine's."""

    vote: Vote
    failure: Failure | None


class JudgeByModel:
    """Asks an engine. The digest leaves the engine out: it decides how numbers are computed, not what they mean."""

    def __init__(
        self, name: str, settings: LlmJudge, template: JudgeTemplate, model: ModelRef, engine: Callable[[], Engine]
    ) -> None:
        """Loads nothing; `engine` gives the open engine and is called for every batch, since another judge's model may
        have taken its place meanwhile. Raises JudgeError if `template` lacks a block."""
        check_blocks(name, settings, template)
        self.name = name
        self.batch_pairs = settings.batch_pairs
        self.digest = judge_digest(settings, template, model)
        self._settings = settings
        self._template = template
        self._open = engine
        self._constrains = settings.readout == "direct"

    def showings(self, principle: Principle) -> tuple[Showing, ...]:
        """See Judge. A replicate for each rationale that is drawn."""
        orders: tuple[Order, ...] = ("ab", "ba") if self._settings.orders == "both" else ("ab",)
        return tuple(Showing(order, i) for order in orders for i in range(self._settings.rationales))

    def request(self, pair: Pair, principle: Principle, showing: Showing) -> VoteRequest:
        """See Judge."""
        rendered = self._render(pair, principle, showing.order)
        return vote_request(self.digest, pair, principle, showing, rendered.digest)

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """See Judge.

        Raises JudgeError if the engine turns out not to constrain what must be constrained; Stopped if it cannot be
        reached any more, or has answered nothing at all.
        """
        engine = self._opened()
        prompts = self.prompts(asks)
        ask_all = {"direct": self._direct, "reasoned": self._reasoned, "two_step": self._two_step}
        given = ask_all[self._settings.readout](engine, asks, prompts)
        if said := _why_to_stop([one.failure for one in given], engine):
            raise Stopped([one.vote for one in given if not _is_lost(one.failure)], ModelError(said))
        return [one.vote for one in given]

    def _direct(self, engine: Engine, asks: Sequence[Ask], prompts: Sequence[Sequence[Message]]) -> list[_Given]:
        readouts = engine.read_choices(prompts, LABELS)
        return [_Given(direct_vote(ask, found), found.failure) for ask, found in zip(asks, readouts, strict=True)]

    def _reasoned(self, engine: Engine, asks: Sequence[Ask], prompts: Sequence[Sequence[Message]]) -> list[_Given]:
        asked = answer_type(self._settings)
        confidence = self._settings.reasoned_confidence
        return [
            _Given(reasoned_vote(ask, answer, confidence, asked), answer.failure)
            for ask, answer in zip(asks, self._written(engine, asks, prompts, asked), strict=True)
        ]

    def _two_step(self, engine: Engine, asks: Sequence[Ask], prompts: Sequence[Sequence[Message]]) -> list[_Given]:
        """The rationale becomes the judge's own turn, and the question for the label the turn after it."""
        asked = answer_type(self._settings)
        answers = self._written(engine, asks, prompts, asked)
        reasons = [read_verdict(answer.text, answer.finish, asked) for answer in answers]
        label = Message(role="user", content=label_question(self._template))
        second = [
            (*prompt, Message(role="assistant", content=neutralise(reason.rationale)), label)
            for prompt, reason in zip(prompts, reasons, strict=True)
            if isinstance(reason, Rationale)
        ]
        readouts = iter(engine.read_choices(second, LABELS))
        return [
            self._second_step(ask, answer, reason, readouts)
            for ask, answer, reason in zip(asks, answers, reasons, strict=True)
        ]

    def _second_step(
        self, ask: Ask, answer: Completion, reason: Rationale | NoVerdict, readouts: Iterator[Readout]
    ) -> _Given:
        if isinstance(reason, NoVerdict):
            return _Given(no_rationale_vote(ask, answer, reason), answer.failure)
        readout = next(readouts)
        return _Given(two_step_vote(ask, answer, reason, readout, self._settings), readout.failure)

    def _written(
        self, engine: Engine, asks: Sequence[Ask], prompts: Sequence[Sequence[Message]], asked: type[Rationale]
    ) -> list[Completion]:
        """Answers of the type `asked`; a draw's seed comes from its vote's identity, so it is the same in any batch."""
        temperature = self._settings.temperature
        seeds = tuple(seed_from("rationale", ask.request.identity) for ask in asks)
        drawn = Drawn(temperature, seeds) if temperature > 0 else None
        return engine.complete_json(prompts, asked, self._settings.max_new_tokens, drawn)

    def prompts(self, asks: Sequence[Ask]) -> list[tuple[Message, ...]]:
        """What the model is shown for each ask. Loads nothing."""
        return [self._render(ask.pair, ask.principle, ask.request.order).messages for ask in asks]

    @property
    def answer_tokens(self) -> int:
        """The most tokens that one vote can generate; a direct read-out generates none."""
        return 0 if self._settings.readout == "direct" else self._settings.max_new_tokens

    @property
    def reads_twice(self) -> bool:
        """Whether the model reads its own reasons in a second step, whose length nobody knows beforehand."""
        return self._settings.readout == "two_step"

    def _render(self, pair: Pair, principle: Principle, order: Order) -> Rendered:
        settings = self._settings
        block = BLOCKS[settings.readout]
        return render(self._template, pair, principle, order, block, settings.max_chars, settings.abstain)

    def _opened(self) -> Engine:
        engine = self._open()
        if not self._constrains:
            check_constrains(engine)
            self._constrains = True
        return engine


def _is_lost(failure: Failure | None) -> bool:
    """Whether the question itself was never answered."""
    return failure is not None and (failure.stops or failure.reason in TRANSIENT)


def _why_to_stop(failures: Sequence[Failure | None], engine: Engine) -> str | None:
    """Why there is no use in asking on: a failure that no question escapes, or not even a short one is answered.

    Where a whole batch was lost, it may be the questions (too slow to answer), so that one is asked that nothing ails.
    """
    stops = [failure for failure in failures if failure and failure.stops]
    if stops:
        return stops[0].said
    if not failures or not all(_is_lost(failure) for failure in failures):
        return None
    probe = engine.read_choices([PROBE], LABELS)[0].failure
    return probe.said if probe and probe.reason in TRANSIENT else None


def answer_type(settings: LlmJudge) -> type[Rationale]:
    """What the engine is constrained to: a rationale, and the verdict where it comes in the same answer."""
    verdict = FreeVerdict if settings.abstain else Verdict
    return within(Rationale if settings.readout == "two_step" else verdict, settings.rationale_chars)


def check_blocks(name: str, settings: LlmJudge, template: JudgeTemplate) -> None:
    """Raise JudgeError if the template has not what the judge's read-out asks for."""
    needed = {BLOCKS[settings.readout], "direct" if settings.readout == "two_step" else BLOCKS[settings.readout]}
    for block in sorted(needed - template.compiled.blocks.keys()):
        raise JudgeError(
            f"judge `{name}`: its template `{template.name}` lacks the block `{block}`, which `readout: "
            f"{settings.readout}` needs"
        )
    if settings.abstain and not template.abstains:
        raise JudgeError(
            f"judge `{name}` may abstain, but its template `{template.name}` never says so: in the block `reasoned`, "
            'write {% if abstain %}, or "neither" if ...{% endif %}'
        )


def judge_digest(settings: LlmJudge, template: JudgeTemplate, model: ModelRef) -> str:
    """Everything that can change a vote besides the question: model, revision, template, and how the answer is read."""
    reading: dict[str, str | int | float | list[float]] = {"readout": settings.readout, "labels": "".join(LABELS)}
    if settings.readout != "direct":
        reading |= {
            "max_new_tokens": settings.max_new_tokens,
            "temperature": settings.temperature,
            "schema": digest("schema", value=answer_type(settings).model_json_schema()),
        }
    if settings.readout == "reasoned":
        reading["confidence"] = settings.reasoned_confidence
    if settings.readout == "two_step":
        reading["clamp"] = list(settings.clamp)
    return digest(
        "judge", type="llm", model=model.name, revision=model.revision, template=template.digest, reading=reading
    )
