"""Watch-dogs: what can go wrong in preference training although the loss falls, measured on held-out pairs.

Each is a figure with its interval, the same by principle, and a warning in plain words when the interval says that it
is so. A figure whose interval holds 0 raises nothing. What concerns the data, before any training, is in watch_data.py;
that answers become repetitive shows in the behaviour table, since nothing is sampled here.

Shapes: B pairs, K principles, 2 the answers a and b.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from constitution.record import Record
from train.estimate import Estimate, last_slope, mean_over_prompts
from train.metrics import Moved, Votes, labels, votes
from train.reference import References

Measure = Callable[[Tensor], Tensor]
WEAK = -3.0
"""Nats a token. A model finds its own samples at -1 to -2; at -3 (perplexity 20) it would hardly write the text."""


class Watched(Record):
    """What one watch-dog sees."""

    name: str
    """`ranking`, `displacement`, `against`, `length`, `weak_reference`."""
    figure: Estimate | None
    """Over all labels; None where it is not defined, or where there is too little to say."""
    principles: dict[str, Estimate]
    """By principle id."""
    warnings: tuple[str, ...]
    """In plain words; empty when nothing is wrong as far as the interval tells."""


def watch(moved: Moved, references: References, where: str) -> tuple[Watched, ...]:
    """Every watch-dog over these pairs, which `where` names, such as `held-out pairs`."""
    table = votes(moved.pairs)
    return (
        ranking(moved, table),
        displacement(moved, table, where),
        against(moved, table, where),
        length(moved, table, where),
        weak_reference(moved, table, references, where),
    )


def ranking(moved: Moved, table: Votes) -> Watched:
    """How often h, as the loss has it, has the label's sign; 0 counts half. It warns of nothing: `against` does."""
    figure = _over_labels(moved, lambda lean_B: _right(lean_B, moved.h_B))
    by_principle = _by_principle(moved, table, lambda lean_B: _right(lean_B, moved.h_B))
    shares = {principle: found.as_share() for principle, found in by_principle.items()}
    return Watched(name="ranking", figure=figure and figure.as_share(), principles=shares, warnings=())


def displacement(moved: Moved, table: Votes, where: str) -> Watched:
    """The change of the preferred answers' log-probability, in nats a sequence (Razin et al. 2024, arXiv
    2410.08847)."""
    figure = _over_labels(moved, lambda lean_B: _preferred(moved.changes_B_2, lean_B))
    by_principle = _by_principle(moved, table, lambda lean_B: _preferred(moved.changes_B_2, lean_B))
    said = []
    if figure and figure.negative:
        said.append(
            f"on the {where} the preferred answers became less likely (nats: {figure.words()}): what the policy "
            f"says instead may be neither answer{_named(by_principle, 'of the answers preferred by', low_first=True)}"
        )
    return Watched(name="displacement", figure=figure, principles=by_principle, warnings=tuple(said))


def against(moved: Moved, table: Votes, where: str) -> Watched:
    """The margin (2p - 1) h, h in nats a sequence against the reference whatever the loss: has the policy moved as
    told?"""
    h_B = moved.changes_B_2[:, 0] - moved.changes_B_2[:, 1]
    figure = _over_labels(moved, lambda lean_B: lean_B * h_B)
    by_principle = _by_principle(moved, table, lambda lean_B: lean_B * h_B)
    said = [
        f"`{principle}`: the policy moved against it (margin {found.words()} on the {where})"
        for principle, found in by_principle.items()
        if found.negative
    ]
    return Watched(name="against", figure=figure, principles=by_principle, warnings=tuple(said))


def length(moved: Moved, table: Votes, where: str) -> Watched:
    """By how many nats the margin grows for each token that an answer is longer, at the same label.

    By principle: how far its votes lean to the longer answer, the mean of (2 p_k - 1) sign(length a - length b).
    """
    extra_B = (moved.lengths_B_2[:, 0] - moved.lengths_B_2[:, 1]).double()
    h_B = moved.changes_B_2[:, 0] - moved.changes_B_2[:, 1]
    there_B = ~h_B.isnan()
    columns_B_2 = torch.stack((2 * labels(moved.pairs) - 1, extra_B), 1)[there_B]
    prompts = [prompt for prompt, there in zip(_prompts(moved), there_B.tolist(), strict=True) if there]
    figure = last_slope(h_B[there_B], columns_B_2, prompts)
    by_principle = _by_principle(moved, table, lambda lean_B: lean_B * extra_B.sign())
    said = []
    if figure and figure.positive:
        said.append(
            f"on the {where} longer answers gained more than their labels say, {figure.words(3)} (nats a token): the "
            f"policy may learn length instead of quality{_named(by_principle, 'votes for the longer answer:')}"
        )
    return Watched(name="length", figure=figure, principles=by_principle, warnings=tuple(said))


def weak_reference(moved: Moved, table: Votes, references: References, where: str) -> Watched:
    """The reference's log-probability of the preferred answers, in nats a token."""
    known = [references.get(pair.key) for pair in moved.pairs]
    logps_B_2 = torch.tensor([[r.a, r.b] if r else [torch.nan] * 2 for r in known], dtype=torch.float64)
    per_token_B_2 = logps_B_2 / moved.lengths_B_2
    figure = _over_labels(moved, lambda lean_B: _preferred(per_token_B_2, lean_B))
    by_principle = _by_principle(moved, table, lambda lean_B: _preferred(per_token_B_2, lean_B))
    said = []
    if figure and figure.high is not None and figure.high < WEAK:
        said.append(
            f"the reference finds the preferred answers unlikely, {figure.words()} (nats a token, on the {where}): it "
            "would hardly write them, so a margin between them says little of what the policy will write"
            f"{_named(by_principle, 'of the answers preferred by', low_first=True)}"
        )
    return Watched(name="weak_reference", figure=figure, principles=by_principle, warnings=tuple(said))


def _right(lean_B: Tensor, h_B: Tensor) -> Tensor:
    """1 where h is on the side that is leaned to, 0 on the other, NaN where none is leaned to."""
    return torch.where(lean_B == 0, torch.nan, (1 + lean_B.sign() * h_B.sign()) / 2)


def _preferred(values_B_2: Tensor, lean_B: Tensor) -> Tensor:
    """The value of the answer that is leaned to; NaN where none is."""
    return torch.where(lean_B > 0, values_B_2[:, 0], torch.where(lean_B < 0, values_B_2[:, 1], torch.nan))


def _prompts(moved: Moved) -> list[str]:
    return [pair.prompt_id for pair in moved.pairs]


def _over_labels(moved: Moved, values: Measure) -> Estimate | None:
    return mean_over_prompts(values(2 * labels(moved.pairs) - 1), _prompts(moved))


def _by_principle(moved: Moved, table: Votes, values: Measure) -> dict[str, Estimate]:
    found = {}
    for column, principle in enumerate(table.principles):
        lean_B = (2 * table.p_B_K[:, column] - 1).masked_fill(~table.voted_B_K[:, column], torch.nan)
        estimate = mean_over_prompts(values(lean_B), _prompts(moved))
        if estimate:
            found[principle] = estimate
    return found


def _named(by_principle: Mapping[str, Estimate], what: str, low_first: bool = False) -> str:
    """The three principles with the most extreme figures, as the end of a sentence."""
    ranked = sorted(by_principle, key=lambda name: by_principle[name].value, reverse=not low_first)[:3]
    listed: Sequence[str] = [f"`{name}` {by_principle[name].words()}" for name in ranked]
    return f" ({what} {'; '.join(listed)})" if listed else ""
