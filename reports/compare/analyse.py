"""Runs -> the comparison: settings of all of them, and the first one held against each of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from constitution.diff import diff
from reports.compare.behaviours import Found, compare_behaviours, judged_together
from reports.compare.labels import compare_labels
from reports.compare.records import Couple, RunsCompared, RunShown, Setting, Side
from reports.text import plural
from reports.twins import flatten

OWN = ("name", "constitution")
"""Settings that say nothing: the run's own name, and the path of a constitution that is compared itself."""


def compare_runs(sides: Sequence[Side]) -> RunsCompared:
    """The first of at least two runs against each of the others. Asks no judge and loads no model."""
    assert len(sides) > 1, "one run has nothing to be compared with"
    first, *others = sides
    found = [compare_behaviours(first, other) for other in others]
    level = first.settings.level
    rows = iter(judged_together([row for one in found for row in one.rows], level))
    couples = []
    for other, one in zip(others, found, strict=True):
        judged = tuple(next(rows) for _ in one.rows)
        shared = len(_prompts(first) & _prompts(other))
        couples.append(
            Couple(
                first=first.name,
                other=other.name,
                constitution=diff(first.constitution, other.constitution),
                prompts=shared,
                behaviours=judged if shared else (),
                left_out=tuple(one.left_out) if shared else (),
                labels=compare_labels(first, other),
                notes=tuple(_notes(first, other, shared, one)),
            )
        )
    return RunsCompared(
        runs=tuple(_shown(side) for side in sides),
        settings=tuple(differing(sides)),
        couples=tuple(couples),
        level=level,
        tested=sum(row.p_holm is not None for couple in couples for row in couple.behaviours),
    )


def differing(sides: Sequence[Side]) -> Iterator[Setting]:
    """What is not the same in all runs: settings in the order of the run file, then the other facts."""
    configs = [{key: value for key, value in flatten(side.config).items() if key not in OWN} for side in sides]
    for name in dict.fromkeys(name for config in configs for name in config):
        yield from _unequal("settings", name, [config.get(name) for config in configs])
    groups = dict.fromkeys(group for side in sides for group in side.facts)
    for group in groups:
        facts = [side.facts.get(group, {}) for side in sides]
        for name in dict.fromkeys(name for one in facts for name in one):
            yield from _unequal(group, name, [one.get(name) for one in facts])


def _unequal(group: str, name: str, values: Sequence[JsonValue]) -> Iterator[Setting]:
    if any(value != values[0] for value in values):
        yield Setting(group=group, name=name, values=tuple(values))


def _prompts(side: Side) -> set[str]:
    return {each.prompt.key for each in side.answers or ()}


def _notes(first: Side, other: Side, shared: int, found: Found) -> Iterator[str]:
    """What the reader must know before the figures."""
    counts = len(_prompts(first)), len(_prompts(other))
    if first.answers is None or other.answers is None:
        lacking = " and ".join(f"`{side.name}`" for side in (first, other) if side.answers is None)
        yield f"behaviour is not compared: it is not measured yet in {lacking} (`preceptor behaviour`)"
    elif not shared:
        yield (
            f"behaviour cannot be compared: of {plural(counts[0], 'held-out prompt')} of `{first.name}` and "
            f"{counts[1]} of `{other.name}` none is the same, so a difference could be the prompts'"
        )
    elif shared < max(counts):
        yield (
            f"behaviour is compared on the {plural(shared, 'held-out prompt')} that both runs have, of {counts[0]} in "
            f"`{first.name}` and {counts[1]} in `{other.name}`"
        )
    models = [side.facts["model and judge"].get("model revision") for side in (first, other)]
    if shared and models[0] != models[1]:
        yield "the runs started from different models: each change is from the run's own reference"
    if first.labels is None or other.labels is None:
        lacking = " and ".join(f"`{side.name}`" for side in (first, other) if side.labels is None)
        yield f"labels are not compared: there are none yet in {lacking} (`preceptor label`)"
    if shared and (failed := sum(row.failed for row in found.rows)):
        yield f"{plural(failed, 'comparison')} without a valid judgement left out"


def _shown(side: Side) -> RunShown:
    return RunShown(
        name=side.name,
        folder=side.folder,
        constitution=side.constitution.name,
        key=side.constitution.key,
        prompts=None if side.answers is None else len(side.answers),
        labelled=None if side.labels is None else sum(one.label.p is not None for one in side.labels),
        notes=side.notes,
    )
