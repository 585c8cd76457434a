"""The judge that needs no model: the principles' own checks, measured by rules.py."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from constitution.errors import JudgeError
from constitution.identity import digest
from constitution.model import Constitution, Principle
from generate.records import Pair, Prompt, Response
from judge.interface import Ask, Showing, preferred, shown, vote_request
from judge.records import Vote, VoteRequest
from judge.rules import RULES_VERSION, rule_logit, score

RULES_BATCH_PAIRS = 256


class JudgeByRules:
    """The principles' own checks. Exactly antisymmetric in the two responses, so that one order says everything."""

    batch_pairs = RULES_BATCH_PAIRS

    def __init__(self, name: str, confidence: float, constitution: Constitution) -> None:
        """Raises JudgeError naming every principle without a `check`."""
        without = [principle.id for principle in constitution.principles if principle.check is None]
        if without:
            raise JudgeError(
                f"judge `{name}` applies the principles' checks, but these have none: {', '.join(without)}. "
                "Give each a `check`, or choose a judge of kind `llm`."
            )
        self.name = name
        self.digest = digest("judge", type="rules", version=RULES_VERSION, confidence=confidence)
        self._confidence = confidence

    def showings(self, principle: Principle) -> tuple[Showing, ...]:
        """See Judge."""
        return (Showing("ab"),)

    def request(self, pair: Pair, principle: Principle, showing: Showing) -> VoteRequest:
        """See Judge."""
        return vote_request(self.digest, pair, principle, showing, _check_digest(principle))

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """See Judge."""
        return [Vote(request=ask.request, state="valid", logit=self._logit(ask)) for ask in asks]

    def _logit(self, ask: Ask) -> float:
        assert ask.principle.check is not None
        first, second = shown(ask.pair, ask.request.order)
        question = ask.pair.prompt.conversation[-1].content
        logit = rule_logit(ask.principle.check, question, first.text, second.text, self._confidence)
        return preferred(ask.principle, logit)


@lru_cache(maxsize=1024)
def _check_digest(principle: Principle) -> str:
    assert principle.check is not None
    return digest("check", **principle.check.model_dump(mode="json"))


def check_score(principle: Principle, prompt: Prompt, response: Response) -> float | None:
    """How well an answer does by a principle's check, higher is better; None without one, or out of its scope."""
    if principle.check is None or not principle.applies_to(prompt.tags):
        return None
    return preferred(principle, score(principle.check, prompt.conversation[-1].content, response.text))
