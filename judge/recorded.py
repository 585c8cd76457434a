"""The judge that only repeats what was recorded: human annotators, users, experts, or another judge's verdicts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from constitution.errors import JudgeError, harmless
from constitution.identity import digest, file_digest
from constitution.model import Constitution, Principle
from generate.records import Pair
from judge.interface import Ask, Showing, preferred, vote_request
from judge.opinions import OPINIONS_FILE, Heard, bounded_logit, read_opinions
from judge.reasons import NOT_RECORDED
from judge.records import Order, Vote, VoteRequest
from judge.settings import RecordedJudge

RECORDED_VERSION = 1
RECORDED_BATCH_PAIRS = 256


class JudgeByRecord:
    """Combines what was said of a pair into one vote an order.

    A vote's key covers the opinions that it combines, so a new opinion asks only its own pair again; the judge's digest
    covers the whole file, so that a run notices that it has changed.
    """

    batch_pairs = RECORDED_BATCH_PAIRS

    def __init__(self, name: str, settings: RecordedJudge, constitution: Constitution) -> None:
        """Raises what `read_opinions` does, and JudgeError if no principle has any opinion in the file."""
        path = Path(settings.file)
        self._opinions = read_opinions(path)
        if not any(self._opinions.covers(principle.id) for principle in constitution.principles):
            known = ", ".join(sorted(harmless(i) for i in self._opinions.principles if i is not None))
            wanted = ", ".join(principle.id for principle in constitution.principles)
            raise JudgeError(
                f"judge `{name}`: {harmless(str(path))} holds opinions on {known}, none on whole pairs and none on "
                f"{wanted}; name the principles in the constitution as in that file, or give the judge another file"
            )
        self.name = name
        self._reading = digest(
            "judge", type="recorded", version=RECORDED_VERSION, confidence=settings.confidence, orders=settings.orders
        )
        content = file_digest(path / OPINIONS_FILE if path.is_dir() else path)
        self.digest = digest("judge", type="recorded", reading=self._reading, opinions=content)
        self._settings = settings

    def covers(self, principle: Principle) -> bool:
        """Whether any opinion can be about this principle."""
        return self._opinions.covers(principle.id)

    def showings(self, principle: Principle) -> tuple[Showing, ...]:
        """See Judge."""
        return (Showing("ab"), Showing("ba")) if self._settings.orders == "both" else (Showing("ab"),)

    def request(self, pair: Pair, principle: Principle, showing: Showing) -> VoteRequest:
        """See Judge."""
        left_out = {"pair", "prompt", "messages", "a", "b"}
        said: list[str] = sorted(
            f"{heard.turned} {heard.opinion.model_dump_json(exclude=left_out)}"
            for heard in self._heard(pair, principle, showing.order)
        )
        return vote_request(self._reading, pair, principle, showing, digest("opinions", said=said))

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """See Judge."""
        return [self._vote(ask) for ask in asks]

    def _heard(self, pair: Pair, principle: Principle, order: Order) -> list[Heard]:
        heard = self._opinions.on(pair, principle.id)
        return [one for one in heard if one.order == order] if self._settings.orders == "both" else heard

    def _vote(self, ask: Ask) -> Vote:
        heard = self._heard(ask.pair, ask.principle, ask.request.order)
        said = [one.p_of_a(self._settings.confidence) for one in heard]
        given = [p for p in said if p is not None]
        if not said:
            return Vote(request=ask.request, state="failed", reason=NOT_RECORDED)
        raw = json.dumps({"n": len(given), "abstained": len(said) - len(given), "p_of_a": given})
        comment = " | ".join(one.opinion.comment for one in heard if one.opinion.comment) or None
        if not given:
            return Vote(request=ask.request, state="abstain", reason="abstained", raw=raw, rationale=comment)
        logit = bounded_logit(math.fsum(given) / len(given))
        logit = logit if ask.request.order == "ab" else 0.0 - logit
        return Vote(
            request=ask.request, state="valid", logit=preferred(ask.principle, logit), raw=raw, rationale=comment
        )
