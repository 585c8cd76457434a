"""A reward model as judge: r(first) - r(second) is the logit that the first answer is preferred (Bradley-Terry 1952).

A reward model says one thing, not K principles: whatever it was trained to prefer. It reads no principle's text, so
every principle that is put to it gets the same vote. Give it one, mostly through that principle's `source`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from constitution.identity import digest
from constitution.model import Principle
from generate.engine import Failure, ModelRef
from generate.records import Message, Pair, Response
from judge.interface import Ask, Showing, preferred, shown, vote_request
from judge.reading import LOGIT_BOUND, failed_vote
from judge.records import Vote, VoteRequest
from judge.reward_model import RewardModel, usable
from judge.settings import RewardModelJudge


class JudgeByReward:
    """Exactly antisymmetric in the two answers, so that one order says everything. Each answer is scored once a run."""

    def __init__(
        self, name: str, settings: RewardModelJudge, model: ModelRef, scorer: Callable[[], RewardModel]
    ) -> None:
        """Loads nothing; `scorer` gives the open model and is called for every batch with new responses."""
        self.name = name
        self.batch_pairs = settings.batch_pairs
        self.digest = digest(
            "judge", type="reward-model", model=model.name, revision=model.revision, scale=settings.scale
        )
        self._scale = settings.scale
        self._open = scorer
        self._scores: dict[str, float | Failure] = {}

    def showings(self, principle: Principle) -> tuple[Showing, ...]:
        """See Judge."""
        return (Showing("ab"),)

    def request(self, pair: Pair, principle: Principle, showing: Showing) -> VoteRequest:
        """See Judge. What the model reads is the prompt and the responses, which the request names."""
        return vote_request(self.digest, pair, principle, showing, digest("scored", prompt=pair.prompt.key))

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """See Judge."""
        new: dict[str, tuple[Pair, Response]] = {}
        for ask in asks:
            for response in shown(ask.pair, ask.request.order):
                if response.key not in self._scores:
                    new[response.key] = (ask.pair, response)
        if new:
            scores = self._open().score([_conversation(pair, response) for pair, response in new.values()])
            self._scores |= zip(new, scores, strict=True)
        return [self._vote(ask) for ask in asks]

    def _vote(self, ask: Ask) -> Vote:
        first, second = (self._scores[response.key] for response in shown(ask.pair, ask.request.order))
        if isinstance(first, Failure):
            return failed_vote(ask, first)
        if isinstance(second, Failure):
            return failed_vote(ask, second)
        raw = f"scores {first:.6g} and {second:.6g}"
        if not (usable(first) and usable(second)):
            return Vote(request=ask.request, state="failed", reason="not_a_number", raw=raw)
        logit = max(-LOGIT_BOUND, min(LOGIT_BOUND, (first - second) * self._scale))
        return Vote(request=ask.request, state="valid", logit=preferred(ask.principle, logit), raw=raw)


def _conversation(pair: Pair, response: Response) -> tuple[Message, ...]:
    # Unlike a turn of a prompt, an answer may be empty.
    return (*pair.prompt.conversation, Message.model_construct(role="assistant", content=response.text))
