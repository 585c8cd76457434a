"""What a judge's own votes tell about it, with no further call: order, slot, length, turn-taking, failures, tokens.

Every figure is a Score: value, 95 % interval over prompts, and n. Where nothing can be said its n is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from constitution.model import Principle
from constitution.record import Record
from judge.audit.cells import Cell, answers, by_order, floats, log_length
from judge.interface import preferred
from judge.labels import probability
from judge.length_slope import length_slope
from judge.reasons import NOT_RECORDED, kind_of
from judge.records import Vote
from judge.resampling import Score, mean_score, nothing, share_score


class VoteFacts(Record):
    """A judge's votes on some pairs, under one principle or all."""

    cells: int
    """Pairs, counted once for each principle that applies."""
    pairs: int
    """Different pairs."""
    orders: int
    """The most orders that a pair is shown in: 1 or 2."""
    votes: int
    """Votes that should be there."""
    failed: Score
    """Votes without a preference, for whatever reason: invalid, refused, truncated, abstained or never given."""
    invalid: Score
    """Answers that are no verdict."""
    refused: Score
    """Answers withheld."""
    truncated: Score
    """Answers cut at the token limit before their verdict."""
    abstained: Score
    """Answers that say that they cannot say."""
    reasons: dict[str, int]
    """Votes without a preference by reason."""
    undecided: int
    """Cells whose votes come to exactly one half."""
    order_consistency: Score
    """Same response preferred in both orders, of those seen in both with a leaning in each."""
    first_slot: Score
    """Votes that name the response shown first, of those with a leaning; before a principle's polarity."""
    position_bias: Score
    """Mean (l_ab + l_ba) / 2 in nats: above 0 it leans to what is shown first."""
    prefers_a: Score
    """Cells in which the pair's `a` is preferred; which answer is called `a` means nothing."""
    prefers_longer: Score
    """Cells in which the response of more words is preferred, of those of different lengths."""
    length_slope: Score
    """s of P(prefers a) = sigma(s ln(words a / words b))."""
    turns: Score
    """Votes for the other slot than the vote before, in the order of asking: 1 is A, B, A, B."""
    tokens_in: Score
    """Prompt tokens a vote."""
    tokens_out: Score
    """Generated tokens a vote."""


def vote_facts(cells: Sequence[Cell]) -> VoteFacts:
    """Everything that these cells' votes tell."""
    votes = [(cell.prompt, vote) for cell in cells for vote in cell.votes]
    wanted = sum(cell.wanted for cell in cells)
    reasons = Counter(vote.reason for _, vote in votes if vote.reason is not None)
    reasons["not_asked"] = wanted - len(votes)
    return VoteFacts(
        cells=len(cells),
        pairs=len({cell.pair.key for cell in cells}),
        orders=max((cell.orders for cell in cells), default=0),
        votes=wanted,
        failed=_failed(cells),
        invalid=_share(votes, lambda vote: _failure(vote) == "invalid"),
        refused=_share(votes, lambda vote: _failure(vote) == "refused"),
        truncated=_share(votes, lambda vote: _failure(vote) == "truncated"),
        abstained=_share(votes, lambda vote: vote.state == "abstain"),
        reasons=dict(+reasons),
        undecided=sum(cell.logit == 0 for cell in cells),
        order_consistency=order_consistency(cells),
        first_slot=_first_slot(cells),
        position_bias=_position_bias(cells),
        prefers_a=_prefers_a(cells),
        prefers_longer=_prefers_longer(cells),
        length_slope=_length_slope(cells),
        turns=_turns(cells),
        tokens_in=_mean([(prompt, vote.tokens_in) for prompt, vote in votes]),
        tokens_out=_mean([(prompt, vote.tokens_out) for prompt, vote in votes]),
    )


def _failure(vote: Vote) -> str | None:
    """The kind of a failure (see judge/reasons.py): `invalid`, `refused`, `truncated`, or nothing that it did."""
    return kind_of(vote.reason or "") if vote.state == "failed" else None


def _share(votes: Sequence[tuple[str, Vote]], hit: Callable[[Vote], bool]) -> Score:
    return share_score(floats([hit(vote) for _, vote in votes]), [prompt for prompt, _ in votes])


def _mean(values: Sequence[tuple[str, float]]) -> Score:
    if not values:
        return nothing()
    return mean_score(floats([value for _, value in values]), [prompt for prompt, _ in values])


def _failed(cells: Sequence[Cell]) -> Score:
    """Over all votes that should be there, so that one never given counts; where nobody recorded one, none should."""
    rows: list[tuple[str, bool]] = []
    for cell in cells:
        valid = sum(vote.state == "valid" for vote in cell.votes)
        absent = sum(vote.reason == NOT_RECORDED for vote in cell.votes)
        rows += [(cell.prompt, i >= valid) for i in range(cell.wanted - absent)]
    return share_score(floats([hit for _, hit in rows]), [prompt for prompt, _ in rows])


def order_consistency(cells: Sequence[Cell]) -> Score:
    """Same response preferred in both orders, over cells with a leaning in both."""
    both = [(cell.prompt, orders["ab"], orders["ba"]) for cell in cells if len(orders := by_order(cell)) == 2]
    rows = [(prompt, (one > 0) != (two > 0)) for prompt, one, two in both if one != 0 and two != 0]
    return share_score(floats([hit for _, hit in rows]), [prompt for prompt, _ in rows])


def _first_slot(cells: Sequence[Cell]) -> Score:
    rows = [(cell.prompt, logit > 0) for cell in cells for logit in answers(cell).values() if logit != 0]
    return share_score(floats([hit for _, hit in rows]), [prompt for prompt, _ in rows])


def _position_bias(cells: Sequence[Cell]) -> Score:
    both = [(cell.prompt, orders) for cell in cells if len(orders := answers(cell)) == 2]
    return _mean([(prompt, (orders["ab"] + orders["ba"]) / 2) for prompt, orders in both])


def _prefers_a(cells: Sequence[Cell]) -> Score:
    rows = [(cell.prompt, cell.logit > 0) for cell in cells if cell.logit]
    return share_score(floats([hit for _, hit in rows]), [prompt for prompt, _ in rows])


def _prefers_longer(cells: Sequence[Cell]) -> Score:
    rows = [
        (cell.prompt, (cell.logit > 0) == (longer > 0))
        for cell in cells
        if cell.logit and (longer := log_length(cell.pair)) != 0
    ]
    return share_score(floats([hit for _, hit in rows]), [prompt for prompt, _ in rows])


def _length_slope(cells: Sequence[Cell]) -> Score:
    rows = [(cell.prompt, probability(cell.logit), log_length(cell.pair)) for cell in cells if cell.logit is not None]
    if not rows:
        return nothing()
    p, lengths = floats([p for _, p, _ in rows]), floats([length for *_, length in rows])
    return length_slope(p, lengths, [prompt for prompt, _, _ in rows])


def _turns(cells: Sequence[Cell]) -> Score:
    """Votes in the order in which judge/ask.py asks them: pair by pair, the votes of one order together."""
    asked: list[tuple[str, float]] = []
    by_pair: dict[str, list[tuple[Vote, Principle]]] = {}
    for cell in cells:
        by_pair.setdefault(cell.pair.key, []).extend((vote, cell.principle) for vote in cell.votes)
    prompts = {cell.pair.key: cell.prompt for cell in cells}
    for pair, votes in by_pair.items():
        votes.sort(key=lambda row: (row[0].request.order, row[0].request.replicate))
        asked += [(prompts[pair], preferred(principle, vote.logit)) for vote, principle in votes if vote.logit]
    rows = [(prompt, (before > 0) != (now > 0)) for (_, before), (prompt, now) in pairwise(asked)]
    return share_score(floats([hit for _, hit in rows]), [prompt for prompt, _ in rows])
