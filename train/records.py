"""What the trainer reads, pairs and single answers, and its figures over them. Light: imports no torch."""

from __future__ import annotations

from pydantic import Field

from constitution.record import Record
from generate.records import Message
from judge.records import Share


class TrainPair(Record):
    """Two answers to one conversation, and how likely it is that the first is the better one."""

    key: str
    """The pair's key."""
    prompt_id: str
    """The prompt's id: all pairs of a prompt are held out together, or none."""
    conversation: tuple[Message, ...] = Field(min_length=1)
    """The messages that both answers follow."""
    a: str
    """One answer, without special tokens."""
    b: str
    """The other answer."""
    a_finished: bool = True
    """Whether the model ended `a` itself. A cut answer is not taught to end there: it gets no end-of-turn token."""
    b_finished: bool = True
    """The same for `b`."""
    p: float = Field(ge=0, le=1)
    """Probability that `a` is better."""
    shares: tuple[Share, ...] = ()
    """The principles behind `p`; with a linear rule, p is the sum of weight * p over them."""


class TrainSingle(Record):
    """One answer to a conversation, and how likely it is that it is a good one: a thumb up or down. For KTO."""

    key: str
    """The single's key; no pair has the same."""
    prompt_id: str
    """The prompt's id: all that answers a prompt is held out together, or none of it."""
    conversation: tuple[Message, ...] = Field(min_length=1)
    """The messages that the answer follows."""
    text: str
    """The answer, without special tokens."""
    finished: bool = True
    """Whether it was ended by whoever wrote it; see TrainPair."""
    p: float = Field(ge=0, le=1)
    """Probability that the answer is desirable: 1 for a thumb up, 0 for a thumb down."""

    @property
    def shares(self) -> tuple[Share, ...]:
        """None: a thumb says nothing of principles."""
        return ()


TrainItem = TrainPair | TrainSingle


class PrincipleFigures(Record):
    """How far the policy follows one principle, over some pairs."""

    n: int
    """Pairs that the principle voted on."""
    margin: float
    """Mean of (2 p_k - 1) h, in the units of h: above 0 when the policy moved the way the principle wants."""
    decided: int
    """Pairs on which it prefers one answer (p_k is not 0.5)."""
    accuracy: float | None
    """Share of the decided pairs on which h has the principle's sign, h = 0 counting half; None without any."""
    pull: float | None
    """Its part of the gradient: the mean over all pairs of sign(c) w_k c_k, with c = dL/dh and c_k the same at the
    label p_k. The principles' pulls add up to the mean of |c|; a negative one pulls against the others. None where a
    label is not the weighted mean of its shares, and for losses that are no function of h (ORPO, KTO)."""


class Figures(Record):
    """Loss and margins over some pairs. `chosen` is the answer that the label prefers; pairs with p = 0.5
    have none, and where there are no others these figures are None. A single answer has no margin; it counts as chosen
    or as rejected."""

    n: int
    """Pairs and single answers."""
    loss: float
    """Mean loss a pair; with KTO, an answer."""
    margin: float | None
    """Mean of h signed towards the chosen answer: nats a sequence, or a token where the loss averages (`ipo_length:
    mean`, SimPO, ORPO). h compares with the reference, except where the loss has none (SimPO, ORPO)."""
    accuracy: float | None
    """Share of the pairs with h towards the chosen answer; h = 0 counts half."""
    chosen_change: float | None
    """Mean of log pi - log pi_ref of the chosen answer, in nats a sequence. Without a reference it is known for
    held-out pairs only."""
    rejected_change: float | None
    """The same for the other answer."""
    principles: dict[str, PrincipleFigures]
    """By principle id."""


class FirstStep(Record):
    """The check before the first update: the policy must be the reference."""

    pairs: int
    """Pairs of the first step."""
    max_change: float
    """Largest |log pi - log pi_ref| of an answer, in nats a token. Exactly equal would be 0."""
    tolerance: float
    """What is allowed, in nats a token: the rounding of the arithmetic used."""
    loss: float
    """Mean loss of the first step."""
    expected_loss: float
    """What it is where policy and reference are equal: ln 2 for DPO, the mean of ((2p - 1) / (2 tau))^2 for IPO."""
