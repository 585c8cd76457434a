"""What people, users, experts or another judge said of pairs, kept as data: one opinion a line.

{"prompt": "How do I make tea?", "a": "Boil water.", "b": "No.", "verdict": "a", "annotator": "p7"}

Opinions are found by content: by the pair's key, or by the prompt and both texts, whichever of the two stands first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field, FiniteFloat, model_validator

from constitution.errors import DataError, harmless
from constitution.files import RecordFile
from constitution.record import Record
from constitution.scratch import Filed
from generate.records import Message, Pair, Prompt, pair_key, response_key
from judge.labels import probability
from judge.records import Order

OPINIONS_FILE = "opinions.jsonl"
LOGIT_BOUND = 30.0
"""A recorded probability of exactly 0 or 1 would make the logit infinite."""

Side = Literal["a", "b", "tie", "abstain"]
Voice = Literal["human", "ai", "user", "expert"]


class Opinion(Record):
    """One voice on one pair, under one principle or on the whole."""

    pair: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    """The pair's key; or give `prompt` (or `messages`), `a` and `b` instead."""
    prompt: str | None = Field(default=None, min_length=1)
    """The user's single turn."""
    messages: tuple[Message, ...] = ()
    """The whole conversation, when it is more than one turn."""
    a: str | None = None
    """One response's text."""
    b: str | None = None
    """The other's."""
    principle: str | None = Field(default=None, min_length=1)
    """The id of the principle that it is about; the pair as a whole when omitted."""
    verdict: Side | None = None
    """The better of the two, or `tie`: equally good. `abstain`: no opinion, which is not a tie."""
    p: float | None = Field(default=None, ge=0, le=1)
    """The probability that `a` is better, where more than a verdict is known."""
    logit: FiniteFloat | None = None
    """log p - log (1 - p), for the same."""
    order: Order | None = None
    """What was shown first, if known: `ab` is a first. `a` stays `a` either way."""
    annotator: str = ""
    """A name or number for whoever said it."""
    source: Voice = "human"
    """What kind of voice it is."""
    comment: str | None = None
    """Reasons given."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        texts = (self.a is not None, self.b is not None, self.prompt is not None or bool(self.messages))
        if any(texts) == (self.pair is not None) or (any(texts) and not all(texts)):
            raise ValueError("name the pair by `pair`, or by `prompt` (or `messages`) with `a` and `b`")
        if self.prompt is not None and self.messages:
            raise ValueError("give only one of `prompt` and `messages`")
        if self.messages and self.messages[-1].role != "user":
            raise ValueError("`messages` must end with the user's turn")
        if self.a is not None and self.a == self.b:
            raise ValueError("a pair needs two different responses")
        if sum(said is not None for said in (self.verdict, self.p, self.logit)) != 1:
            raise ValueError("give exactly one of `verdict`, `p` and `logit`")
        return self

    @property
    def pair_key(self) -> str:
        """The key of the pair with `a` and `b` in these slots."""
        if self.pair is not None:
            return self.pair
        assert self.a is not None
        assert self.b is not None
        prompt = Prompt(id="-", prompt=self.prompt, messages=self.messages).key
        return pair_key(response_key(prompt, self.a), response_key(prompt, self.b))

    @property
    def side(self) -> Side:
        """Which side it is on."""
        if self.verdict is not None:
            return self.verdict
        p = self.p_of_a(0.5)
        assert p is not None
        return "tie" if p == 0.5 else "a" if p > 0.5 else "b"

    def p_of_a(self, confidence: float) -> float | None:
        """The probability that `a` is better; a bare verdict counts as `confidence`. None for an abstention."""
        if self.p is not None:
            return self.p
        if self.logit is not None:
            return probability(self.logit)
        return {"a": confidence, "b": 1 - confidence, "tie": 0.5, "abstain": None}[self.verdict or "abstain"]


class Heard(NamedTuple):
    """An opinion, and whether its `a` is the asked pair's `b`."""

    opinion: Opinion
    turned: bool

    def p_of_a(self, confidence: float) -> float | None:
        """The probability that the asked pair's `a` is better; None for an abstention."""
        p = self.opinion.p_of_a(confidence)
        return 1 - p if self.turned and p is not None else p

    @property
    def order(self) -> Order | None:
        """The order in which the asked pair was shown, if known."""
        if self.turned and self.opinion.order:
            return "ba" if self.opinion.order == "ab" else "ab"
        return self.opinion.order


class Opinions:
    """Opinions by pair and principle, kept on disk.

    Where some name a principle, those on whole pairs are not about it.
    """

    def __init__(self, opinions: Iterable[Opinion]) -> None:
        """Reads them once."""
        self._found, names = Filed(), set[str | None]()
        for opinion in opinions:
            names.add(opinion.principle)
            self._found.add((opinion.pair_key, opinion.principle or ""), opinion.model_dump_json())
        self.principles = frozenset(names)
        """The principles' ids that some opinion is about; None among them if some are on whole pairs."""

    def on(self, pair: Pair, principle: str) -> list[Heard]:
        """What was said of the pair, in whichever order its responses stood, as far as this principle goes."""
        name = principle if principle in self.principles else ""
        turned = pair_key(pair.b.key, pair.a.key)
        return [
            Heard(Opinion.model_validate_json(text), key != pair.key)
            for key in (pair.key, turned)
            for text in self._found.get((key, name))
        ]

    def covers(self, principle: str) -> bool:
        """Whether any opinion can be about this principle."""
        return principle in self.principles or None in self.principles


def read_opinions(path: Path) -> Opinions:
    """The opinions of a JSONL file, or of a folder that `preceptor import` wrote.

    Raises ConfigError with file, line and column of every fault; DataError if there is no such file, or nothing in it.
    """
    file = path / OPINIONS_FILE if path.is_dir() else path
    found = Opinions(RecordFile(file, Opinion))
    if not found.principles:
        raise DataError(f"{harmless(str(file))}: no opinions; `preceptor import` writes such a file")
    return found


def bounded_logit(p: float) -> float:
    """log p - log (1 - p), within +-LOGIT_BOUND."""
    if p in (0.0, 1.0):
        return LOGIT_BOUND if p else -LOGIT_BOUND
    return max(-LOGIT_BOUND, min(LOGIT_BOUND, math.log(p) - math.log1p(-p)))
