"""The conflict map and the dial in plain sentences: for a terminal, and for the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from judge.agreement import would_show
from judge.resampling import Score
from reports.conflicts import Conflict, ConflictMap, Contest
from reports.decided import Decided
from reports.dial import Dial, DialPoint
from reports.text import number, plural, score_text


class Winner(NamedTuple):
    """A principle and its part of the disputes; nothing where none is decided."""

    name: str
    share: Score


def conflict_lines(found: ConflictMap) -> list[str]:
    """The whole map, a sentence a principle and one a couple."""
    over = f"{plural(found.pairs, 'judged pair')} of {plural(found.prompts, 'prompt')}, rule {found.rule}"
    lines = [f"What each principle decides ({over}; intervals are 95 %, over prompts; n counts pairs)"]
    lines += [f"  {row.principle}: {decided_sentence(row)}" for row in found.principles]
    if not found.conflicts:
        return [*lines, "One principle: there is nobody to disagree with."]
    lines.append("Who disagrees, and who wins")
    for row in found.conflicts:
        lines.append(f"  {row.first}, {row.second}: {conflict_sentence(row)}")
        lines += [f"    by topic: {topics}"] if (topics := topics_sentence(row)) else []
    return [*lines, same_sentence(found.conflicts)]


def decided_sentence(row: Decided) -> str:
    """How many labels hang on it."""
    if row.pivotal.value is None:
        return f"voted on {plural(row.voted, 'pair')}, none of which has a label."
    sure = score_text(row.pivotal, digits=1)
    words = [f"without it {plural(row.flips, 'label')} would flip and {row.vanishes} vanish ({sure})"]
    words += [f"{plural(row.appears, 'pair')} would have a label"] if row.appears else []
    words += [f"in place of {row.replaced} another pair of the prompt would be trained on"] if row.replaced else []
    return "; ".join(words) + "."


def conflict_sentence(row: Conflict) -> str:
    """How often they disagree, who wins, and what would turn it."""
    contest = row.all
    if contest.disagree.value is None:
        return f"no pair on which both take a side ({plural(contest.both, 'pair')} with an opinion of both)."
    words = [f"they disagree on {score_text(contest.disagree)}.", winner_sentence(row), turning_sentence(row)]
    if row.hidden.hits:
        words.append(f"{row.hidden.hits} of {plural(row.hidden.n, 'label')} turn or vanish only without both.")
    return " ".join(word for word in words if word)


def topics_sentence(row: Conflict) -> str:
    """How often they disagree on each topic, most often first; nothing where prompts have no tags."""
    rated = [(tag, contest.disagree) for tag, contest in row.by_tag.items() if contest.disagree.value is not None]
    rated.sort(key=lambda one: (-(one[1].value or 0.0), one[0]))
    return "; ".join(f"{tag} {score_text(share)}" for tag, share in rated)


def winner_sentence(row: Conflict) -> str:
    """Who has the rule on its side, if that can be told."""
    contest, wins, found = row.all, row.all.first_wins, winner(row, row.all)
    if not contest.disagree.hits:
        return ""
    undecided = f", {contest.undecided} undecided" if contest.undecided else ""
    if wins.value is None or wins.low is None or wins.high is None:
        return f"None of the {plural(contest.disagree.hits, 'dispute')} is decided."
    if wins.low > 0.5 or wins.high < 0.5:
        return f"{found.name} wins {score_text(found.share)}{undecided}."
    return f"Neither is seen to win more often: {row.first} {score_text(wins)}{undecided}; {would_show(wins, 'share')}."


def winner(row: Conflict, contest: Contest) -> Winner:
    """Whoever gets more of the decided disputes, the first where both get as many, and its part of them."""
    wins = contest.first_wins
    if wins.value is None or wins.value >= 0.5:
        return Winner(row.first, wins)
    return Winner(row.second, complement(wins))


def complement(score: Score) -> Score:
    """The share of those that are not."""
    low, value, high = (None if x is None else 1 - x for x in (score.high, score.value, score.low))
    return Score(value=value, low=low, high=high, n=score.n, clusters=score.clusters)


def turning_sentence(row: Conflict) -> str:
    """At which multiple of its weight the loser would win half of the disputes."""
    if row.loser is None:
        return ""
    if row.weight is None:
        return f"No weight would give {row.loser} half of them."
    if row.times.value is None:
        return f"{row.loser}, which has no weight, would win half above a weight of {number(row.weight, 2)}."
    times = row.times
    high = "no limit" if times.high is None else number(times.high, 1)
    return (
        f"{row.loser} would win half at {number(times.value, 1)} times its weight [{number(times.low, 1)}, {high}], "
        f"n = {times.n}."
    )


def same_sentence(conflicts: Sequence[Conflict]) -> str:
    """Which principles say the same."""
    same = [f"{row.first} and {row.second}" for row in conflicts if row.says_the_same]
    if not same:
        return "No two principles agree almost always (interval above 90 %)."
    return f"These agree almost always, so that leaving out one shows little: {'; '.join(same)}."


def dial_lines(found: Dial) -> list[str]:
    """One line a position."""
    head = f"The dial from {found.first} (0) to {found.second} (1); 0.5 is the constitution as it is"
    return [head, *(f"  {dial_sentence(point, found)}" for point in found.points)]


def dial_sentence(point: DialPoint, found: Dial) -> str:
    """How the labels differ there."""
    return (
        f"{point.t:.2f}: flipped {score_text(point.flipped, digits=1)}; {point.vanished} vanish, {point.appeared} "
        f"appear; on {found.first}'s own side {score_text(point.agrees_first)}; on {found.second}'s "
        f"{score_text(point.agrees_second)}"
    )
