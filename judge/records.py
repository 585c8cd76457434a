"""What a judge says (Vote) and what the constitution makes of it (Label). A failure has its own state: never a tie."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from constitution.identity import digest
from constitution.model import Rule
from constitution.record import Record
from judge.reasons import kind_of

VOTE_SCHEMA = 1
NEIGHBOUR_DIGITS = 8
"""How much of its pair's key a vote's key begins with: a store keeps its index in the order of keys, so that a pair's
votes lie on one page of it, and a million pairs' votes are found and added as fast as a thousand's."""
Order = Literal["ab", "ba"]


class VoteRequest(Record):
    """Everything that determines one vote; its digest is most of the vote's key in the store."""

    pair_key: str
    """The pair's key."""
    principle_key: str
    """The principle's key: its meaning-bearing fields only."""
    judge: str
    """Digest of the judge: kind, model with revision, template, read-out, sampling parameters."""
    first: str
    """Key of the response shown first."""
    second: str
    """Key of the response shown second."""
    order: Order
    """`ab`: the pair's `a` is shown first. `ba`: its `b` is."""
    rendered: str
    """Digest of the rendered prompt (for rules: of the check)."""
    replicate: int = Field(default=0, ge=0)
    """Which repetition of the same question this is."""

    @cached_property
    def identity(self) -> str:
        """Digest of all of it. Weights, comments, file names and principle ids are not in it."""
        return digest("vote", schema=VOTE_SCHEMA, **self.model_dump())

    @cached_property
    def key(self) -> str:
        """The vote's key: where its pair is, and the identity."""
        return self.pair_key[:NEIGHBOUR_DIGITS] + self.identity


class Vote(Record):
    """One judge call: one principle, one pair, one order."""

    request: VoteRequest
    """What was asked."""
    state: Literal["valid", "abstain", "failed"]
    """`abstain`: the judge answered that it cannot say. `failed`: no usable answer, see `reason`."""
    reason: str | None = None
    """Why there is no preference; None when valid."""
    logit: float | None = None
    """log p(first shown is better) - log p(second shown is better); None unless valid. Finite."""
    missing_mass: float = Field(default=0.0, ge=0, le=1)
    """Probability that the judge gave to neither label."""
    rationale: str | None = None
    """The judge's reasons, where it was asked for them."""
    raw: str | None = None
    """The judge's answer before it was read."""
    tokens_in: int = Field(default=0, ge=0)
    """Prompt tokens."""
    tokens_out: int = Field(default=0, ge=0)
    """Generated tokens."""

    @model_validator(mode="after")
    def _state_matches(self) -> Self:
        if (self.state == "valid") != (self.logit is not None):
            raise ValueError("a valid vote has a logit, any other has none")
        if (self.state == "valid") != (self.reason is None):
            raise ValueError("a vote that is not valid says why; a valid one does not")
        if self.logit is not None and not abs(self.logit) < float("inf"):
            raise ValueError("a logit must be finite")
        return self

    @cached_property
    def key(self) -> str:
        """The request's key."""
        return self.request.key

    @property
    def settled(self) -> bool:
        """Whether the next run leaves it: a result, or a failure that the same question would meet again."""
        return self.state != "failed" or kind_of(self.reason or "") != "transport"

    @property
    def worth_retrying(self) -> bool:
        """Whether `--retry-failed` puts the question again: it failed, and not because nobody recorded an opinion."""
        return self.state == "failed" and kind_of(self.reason or "") != "unrecorded"


class Share(Record):
    """One principle's part of a label."""

    principle: str
    """The principle's id."""
    weight: float = Field(ge=0, le=1)
    """w_k, normalised over the principles that voted."""
    p: float = Field(ge=0, le=1)
    """p_k: the probability that `a` is better under this principle, both orders combined in logit space."""
    position_bias: float | None = None
    """(l_ab + l_ba) / 2: how far the judge leans to what it saw first; None with one order."""


class Label(Record):
    """What the constitution says of one pair, or why it says nothing."""

    pair_key: str
    """The pair."""
    constitution: str
    """Key of the constitution, so that a label can never be mixed with another's."""
    judge: str
    """Digest of the judge whose votes these are."""
    calibration: str | None = None
    """Digest of the calibration that the shares' p have been through; None if they are as the judge gave them."""
    rule: Rule
    """The aggregation rule that made it."""
    p: float | None = Field(default=None, ge=0, le=1)
    """Probability that `a` is better; None if there is no label."""
    reason: str | None = None
    """Why there is no label: `undecided`, `coverage`, `no_principle_applies`, `vetoed`, `not_selected`; None if there
    is one."""
    decided_by: tuple[str, ...] = ()
    """The principles that decided alone, for rules `priority`, `veto` and `random_principle`."""
    comparison: str | None = None
    """The pair's identity whichever of its responses stands first: what the rule `random_principle` draws by."""
    shares: tuple[Share, ...] = ()
    """The principles that voted; for `weighted_mean`, p is exactly the sum of weight * p."""
    missing: tuple[tuple[str, str], ...] = ()
    """(principle id, why) for principles in scope without a valid preference."""

    @model_validator(mode="after")
    def _label_or_reason(self) -> Self:
        if (self.p is None) == (self.reason is None):
            raise ValueError("a label has either p or a reason for having none")
        return self
