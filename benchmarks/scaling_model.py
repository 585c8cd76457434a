"""What a run costs at a size: tokens, hours, bytes, and which part is the slowest. Plain arithmetic; no I/O.

Times are at full use of so many equal accelerators. Symbols: P prompt tokens, L answer tokens, T tokens of what a
judge's prompts about one pair share (instructions, prompt, both answers), q of a principle's part, K principles, g
generated for a vote.
"""

from __future__ import annotations

from typing import NamedTuple

HOUR = 3600.0


class Work(NamedTuple):
    """What is to be done."""

    prompts: int
    samples: int
    """Answers to each prompt."""
    pairs_a_prompt: int
    """Pairs judged: samples // 2 with `pairing: random`, samples (samples - 1) / 2 where all are compared."""
    principles: int
    orders: int
    prompt_tokens: float
    """P."""
    answer_tokens: float
    """L."""
    pair_tokens: float
    """T."""
    principle_tokens: float
    """q."""
    generated: float
    """g: 0 for a direct read-out."""
    epochs: int = 1

    @property
    def pairs(self) -> int:
        """Pairs judged."""
        return self.prompts * self.pairs_a_prompt

    @property
    def votes(self) -> int:
        """Pairs x principles x orders."""
        return self.pairs * self.principles * self.orders


class Accelerator(NamedTuple):
    """Tokens a second of one accelerator, for one size of model."""

    prefill: float
    decode: float
    train: float
    """Forward and backward, all weights."""


class Host(NamedTuple):
    """What one process of the host manages, whatever the accelerators do."""

    votes_planned: float
    """Votes a second: identified (the prompt rendered, digests made) and looked up."""
    votes_stored: float
    """Votes a second: checked, written and committed."""
    votes_labelled: float
    """Votes a second: read and made into labels."""
    bytes_a_vote: float


class Tokens(NamedTuple):
    """Of the whole run. `judge_unshared`: the judge's prompts, had each vote paid for its pair anew."""

    sample_prefill: float
    sample_decode: float
    judge_prefill: float
    judge_unshared: float
    judge_decode: float
    train: float


class Hours(NamedTuple):
    """By part; those of the host do not become fewer with accelerators."""

    sample: float
    plan: float
    judge: float
    store: float
    label: float
    train: float

    @property
    def total(self) -> float:
        """Storing goes on while accelerators judge: the slower of the two counts."""
        return self.sample + self.plan + max(self.judge, self.store) + self.label + self.train

    @property
    def slowest(self) -> str:
        """The part that the total owes most to."""
        return max(self._fields, key=lambda name: float(getattr(self, name)))


def tokens(work: Work) -> Tokens:
    """A prompt is read once for its samples; a pair once an order, then every principle behind it.

    Training reads prompt and both answers in one row, once for the reference and once an epoch, on one pair a prompt.
    """
    shown = work.pairs * work.orders
    row = work.prompt_tokens + 2 * work.answer_tokens
    return Tokens(
        sample_prefill=work.prompts * work.prompt_tokens,
        sample_decode=work.prompts * work.samples * work.answer_tokens,
        judge_prefill=shown * (work.pair_tokens + work.principles * work.principle_tokens),
        judge_unshared=shown * work.principles * (work.pair_tokens + work.principle_tokens),
        judge_decode=work.votes * work.generated,
        train=work.prompts * row * work.epochs,
    )


def hours(work: Work, accelerator: Accelerator, count: int, host: Host) -> Hours:
    """With `count` accelerators.

    Every vote is planned twice: to say how many are to be asked, and to ask. The reference's forward pass is a third
    of a step (2 of 6 FLOPs a weight), once.
    """
    need = tokens(work)
    per_epoch = need.train / work.epochs
    return Hours(
        sample=(need.sample_prefill / accelerator.prefill + need.sample_decode / accelerator.decode) / count / HOUR,
        plan=2 * work.votes / host.votes_planned / HOUR,
        judge=(need.judge_prefill / accelerator.prefill + need.judge_decode / accelerator.decode) / count / HOUR,
        store=work.votes / host.votes_stored / HOUR,
        label=work.votes / host.votes_labelled / HOUR,
        train=(need.train + per_epoch / 3) / accelerator.train / count / HOUR,
    )


def store_bytes(work: Work, host: Host) -> float:
    """Of the store of votes."""
    return work.votes * host.bytes_a_vote


def accelerators_that_wait(work: Work, accelerator: Accelerator, host: Host) -> float:
    """From how many accelerators on the one writer is slower than they are."""
    alone = hours(work, accelerator, 1, host)
    return alone.judge / alone.store


class Load(NamedTuple):
    """A published measurement: tokens in and out of each request, and output tokens a second."""

    given: float
    made: float
    rate: float


class Rates(NamedTuple):
    """Tokens a second."""

    prefill: float
    decode: float


def from_two_loads(one: Load, other: Load) -> Rates:
    """The rates that explain both: time of a request = given / prefill + made / decode, solved by Cramer's rule."""
    time_a, time_b = one.made / one.rate, other.made / other.rate
    determinant = one.given * other.made - other.given * one.made
    return Rates(
        prefill=determinant / (time_a * other.made - time_b * one.made),
        decode=determinant / (one.given * time_b - other.given * time_a),
    )
