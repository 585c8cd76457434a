"""Principles without a preference on nearly all of a run's pairs, and rules under which most pairs get no label.

A vote of exactly one half says nothing: both answers do equally well by the check, as where none of them comes near
the limit that it sets. Such a principle may be right and the run's answers of another kind; either way it teaches
nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from constitution.extend import Written
from constitution.model import Principle
from judge.aggregate import side
from judge.audit.cells import floats
from judge.audit.gate import percent
from judge.lint.finding import Finding, finding
from judge.lint.reach import Seen
from judge.preferring import listed_reasons, without_preference
from judge.records import Label
from judge.relabelled import NOT_ASKED
from judge.resampling import share_score

RARELY = 0.15
"""Share of the pairs with its vote up to which a principle is said to decide almost none."""


def undecided(written: Written, seen: Sequence[Seen]) -> Iterator[Finding]:
    """One warning for each principle with a weight that prefers neither answer on nearly all pairs with its vote."""
    for principle in written.constitution.principles:
        votes = [(share.p, s.prompt) for s in seen for share in s.label.shares if share.principle == principle.id]
        decided = [side(p) != 0 for p, _ in votes]
        if principle.weight == 0 or not votes or sum(decided) > RARELY * len(votes):
            continue
        high = share_score(floats(decided), [prompt for _, prompt in votes]).high
        general = "" if high is None else f" (in general it decides at most {percent(high)}, 95 % interval)"
        why = (
            f"is undecided on {decided.count(False)} of {len(votes)} pairs of the run: by it, both answers do equally "
            f"well{general}; {_instead(principle)}"
        )
        yield finding(written, "undecided", principle.id, "check" if principle.check else "text", why)


def _instead(principle: Principle) -> str:
    return (
        "let its limits lie where these answers differ" if principle.check else "ask for what these answers differ in"
    )


def few_labels(written: Written, labels: Sequence[Label]) -> Iterator[Finding]:
    """A warning where most pairs get no label. Pairs on which votes are still to be asked do not count."""
    counts = Counter(label.reason or "labelled" for label in labels if not awaited(label))
    if not (without := without_preference(dict(counts.most_common()))):
        return
    why = (
        f"{sum(without.values())} of {counts.total()} pairs of the run get no label under this constitution "
        f"({listed_reasons(without)}), and nothing is trained on them: see `aggregation`, and the principles that "
        "decide too little"
    )
    yield Finding("few-labels", written.rule.problem(why))


def awaited(label: Label) -> bool:
    """Whether votes on its pair are still to be asked."""
    return any(reason == NOT_ASKED for _, reason in label.missing)
