"""What exchanging a run's constitution would do to its votes and its labels, as records and in words.

EFFECTS lists the parts, each a function of Exchange that gives a record, and one that says it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from constitution.record import Record
from constitution.wording import plural
from judge.aggregate import side
from judge.ask import plan_votes
from judge.audit.probes import with_principles
from judge.forecast import Forecast
from judge.relabelled import Bound, LabelChanges, Tally, labelled
from pipeline.behaviour_effects import behaviour_effects, behaviour_lines
from pipeline.exchange import Exchange
from pipeline.forecast import forecast_lines, forecast_votes
from pipeline.stage_label import Labelled, select_by_prompt


class Cost(Record):
    """The missing votes of one principle put to one judge; tokens are 0 where no model is asked."""

    judge: str
    """The judge's name in the run file."""
    principle: str
    """The principle's id."""
    calls: int
    """Votes to ask."""
    prompt_tokens: int
    """Prompt tokens."""
    distinct_tokens: int
    """The same with common beginnings counted once."""
    answer_tokens: int
    """The most that can be generated."""
    exact: bool
    """Whether the tokens were counted with the judge's own tokenizer."""


class VoteEffects(Record):
    """The votes that the change makes useless, and those that it needs."""

    stored: int
    """Votes of the old constitution that the store has."""
    invalid: dict[str, int]
    """Of these, by principle, those that the new one has no use for; only principles that lose some."""
    to_ask: tuple[Cost, ...]
    """What is missing, by judge and principle."""
    words: tuple[str, ...]
    """What a model's votes cost, in words: tokens, and time where the judge's pace was measured."""


class Selection(Record):
    """The pairs trained on where `best_worst` selects one a prompt."""

    prompts: int
    """Prompts with a selected pair before or after."""
    same: int
    """The same pair, the same answer preferred."""
    turned: int
    """The same pair, the other answer preferred."""
    other: int
    """Another pair; or one for the first time, or none any more."""


class LabelEffects(Record):
    """Labels under the two constitutions."""

    changes: LabelChanges
    """Pair by pair, before selection."""
    selection: Selection | None
    """With `pairing: best_worst`, and no vote missing; None where it does not apply or cannot be known."""


class Effect(NamedTuple):
    """One part of the answer."""

    measure: Callable[[Exchange], Record]
    lines: Callable[[Any], Iterator[str]]


def vote_effects(change: Exchange) -> VoteEffects:
    """Counted in the store; nothing is asked."""
    old, new = change.old, change.new
    judge, asked_by = old.judge(old.config.judge), new.judge(new.config.judge)
    invalid = Counter[str]()
    with old.vote_store() as store:
        stored = plan_votes(old.pairs(), old.constitution, judge, store)
        for principle in old.constitution.principles:
            lost = (pair for pair in old.pairs() if change.loses(principle, pair))
            plan = plan_votes(lost, with_principles(old.constitution, [principle]), judge, store)
            invalid[principle.id] = sum(row.stored for row in plan.principles)
        rows: list[Forecast] = forecast_votes(new, asked_by, new.pairs(), store)
    return VoteEffects(
        stored=sum(row.stored for row in stored.principles),
        invalid=dict(+invalid),
        to_ask=tuple(Cost(**row._asdict()) for row in rows),
        words=tuple(forecast_lines(new, asked_by, rows)),
    )


def vote_lines(found: VoteEffects) -> Iterator[str]:
    """In words."""
    lost = ", ".join(f"{i} {n}" for i, n in found.invalid.items())
    gone = sum(found.invalid.values())
    yield f"votes (n = {found.stored} stored): {gone} of them are of no use any more{f' ({lost})' if lost else ''}"
    calls = ", ".join(f"{cost.principle} {cost.calls} by `{cost.judge}`" for cost in found.to_ask)
    yield f"  {sum(cost.calls for cost in found.to_ask)} to ask{f' ({calls})' if calls else ''}"
    yield from (f"    {line}" for line in found.words)


def label_effects(change: Exchange) -> LabelEffects:
    """Exact where every vote is known, bounds elsewhere."""
    tally = Tally(change.old.constitution, change.new.constitution, change.kept)
    for row in change.known():
        tally.add(row.label, row.carried)
    changes = tally.changes()
    selects = change.old.config.generate.pairing == "best_worst" and not changes.unknown.pairs
    return LabelEffects(changes=changes, selection=_selection(change) if selects else None)


def label_lines(found: LabelEffects) -> Iterator[str]:
    """In words."""
    c = found.changes
    yield f"labels (n = {plural(c.pairs, 'pair')}, selected or not, {c.labelled} with a label before):"
    yield f"  known: {c.same} the same, {c.flips} flip, {c.appears} appear, {c.vanishes} vanish"
    if c.unknown.pairs:
        yield f"  not known until judged: {_bound(c.unknown)}"
        yield from (f"    by `{name}` alone: {_bound(bound)}" for name, bound in c.alone.items())
    if found.selection:
        s = found.selection
        yield (
            f"pairs to train on (one a prompt, n = {plural(s.prompts, 'prompt')}): {s.same} the same, {s.turned} with "
            f"the other answer preferred, {s.other} other pairs"
        )


def _bound(bound: Bound) -> str:
    return (
        f"{plural(bound.pairs, 'pair')}, of which {bound.least_flips} to {bound.most_flips} flip, at most "
        f"{bound.most_appear} appear, at most {bound.most_vanish} vanish"
    )


def _selection(change: Exchange) -> Selection:
    new = change.new.constitution
    after = _selected(select_by_prompt((row.pair, labelled(row.label, row.carried, new)) for row in change.known()))
    before = _selected(change.labels())
    counts = Counter[str]()
    for prompt in before.keys() | after.keys():
        one, other = before.get(prompt), after.get(prompt)
        same_pair = one is not None and other is not None and one.pair == other.pair
        counts["same" if one == other else "turned" if same_pair else "other"] += 1
    return Selection(prompts=counts.total(), same=counts["same"], turned=counts["turned"], other=counts["other"])


class _Chosen(NamedTuple):
    pair: str
    side: int


def _selected(rows: Iterator[Labelled]) -> dict[str, _Chosen]:
    """Prompt -> the pair that keeps its label, and the answer preferred."""
    return {pair.prompt.key: _Chosen(pair.key, side(label.p)) for pair, label in rows if label.p is not None}


EFFECTS: dict[str, Effect] = {
    "votes": Effect(vote_effects, vote_lines),
    "labels": Effect(label_effects, label_lines),
    "behaviour": Effect(behaviour_effects, behaviour_lines),
}
"""Name in `--json` -> a part of the answer."""
