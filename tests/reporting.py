"""A whole report's data, made without a model: real constitution, real rules judge, real labels, invented answers."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from constitution.checks import ListsCheck, PatternCheck, WordsCheck
from constitution.model import Constitution, Principle
from constitution.store import Store
from generate.engine import ModelRef
from generate.pairs import PairCounts
from generate.records import Pair, Prompt, Response
from judge.agreement import compare_judges
from judge.ask import collect_votes, judge_pairs
from judge.interface import Judge
from judge.judges import open_judge
from judge.labels import label_pair
from judge.records import Label, Vote
from judge.settings import RulesJudge
from reports.behaviour import BehaviourTable, behaviour_table
from reports.conflicts import ConflictMap, conflict_map
from reports.data import HeldOutAnswers, JudgedPair, Provenance, ReportData, SecondOpinion, StageTime
from reports.labels import LabelStatistics, count_states, label_statistics
from reports.settings import BehaviourSettings
from tests.traced import trace_report

SETTINGS = BehaviourSettings(samples=2, resamples=500)
WORDS = re.findall(
    r"\w+", "water the oven until bread rises and cool it slowly on a rack, then slice my loaf certainly"
)


NASTY_AXIS = '$a_$"><svg onload=alert(1)> \x1b\u202e\\g<1> id="a #010101' + "\u4e2d"
"""As much of an attack on a picture as the name of an axis has room for: on markup, formulas, patterns, fonts."""


def constitution(text: str = "The answer is short.", axis: str = "brevity") -> Constitution:
    """Four principles; `text` and `axis` are the first one's."""
    return Constitution(
        name="plain-speech",
        description="Short, plain answers that speak to the person who asked.",
        principles=(
            Principle(id="short-answer", text=text, weight=3, axis=axis, check=WordsCheck(type="words", max=12)),
            Principle(id="no-lists", text="No bullet points.", axis="form", check=ListsCheck(type="lists")),
            Principle(
                id="no-first-person",
                text="The answer does not say I, me or my.",
                scope=("howto", "fact"),
                axis="manner",
                check=PatternCheck(type="pattern", pattern=r"\b(I|me|my)\b"),
            ),
            Principle(
                id="no-filler",
                text="No stock phrases.",
                axis="brevity",
                polarity="for",
                check=PatternCheck(type="pattern", pattern="certainly"),
            ),
        ),
    )


def _answer(rng: random.Random, prompt: Prompt, index: int, words: int, extra: str) -> Response:
    body = " ".join(rng.choices(WORDS, k=max(2, words)))
    if rng.random() < 0.3:
        body += "\n- one\n- two"
    text = f"{body} {extra}".strip() + ("." if rng.random() < 0.5 else "")
    finish = "stop" if words < 20 else "length"
    return Response.model_validate(
        {"prompt_key": prompt.key, "text": text, "finish": finish, "tokens": 2 * words}
        | {"sampler": "s", "seed": 0, "index": index}
    )


def _prompts(rng: random.Random, count: int, what: str, nasty: Sequence[str]) -> list[Prompt]:
    texts = [f"{what} {i}: how do I bake bread? {rng.choice(nasty) if nasty else ''}".strip() for i in range(count)]
    return [Prompt(id=f"{what}-{i}", prompt=t, tags=(("howto",), ("create",))[i % 2]) for i, t in enumerate(texts)]


def _metrics(rng: random.Random, principles: Sequence[str], steps: int) -> tuple[dict[str, JsonValue], ...]:
    """Lines as train/loop.py writes them: held-out figures every five steps only; every other principle votes on half
    of the pairs."""

    def by_principle(n: int, done: float) -> dict[str, JsonValue]:
        return {
            p: {
                "n": n // (1 + k % 2),
                "margin": (0.3 * k - 0.2) * done + rng.gauss(0, 0.5 / n),
                "decided": n // 4,
                "accuracy": 0.5,
                "pull": 0.1 * (3 - k),
            }
            for k, p in enumerate(principles)
        }

    rows: list[dict[str, JsonValue]] = []
    for step in range(1, steps + 1):
        done = step / steps
        row: dict[str, JsonValue] = {
            "step": step,
            "learning_rate": 1e-3 * (1 - done),
            "n": 8,
            "loss": math.log(2) - 0.12 * done + rng.gauss(0, 0.02) * done,
            "accuracy": min(1.0, 0.5 + 0.3 * done + rng.gauss(0, 0.05)),
            "batch_principles": by_principle(8, done),
        }
        if step % 5 == 0:
            row |= {"heldout_n": 44, "heldout_loss": math.log(2) - 0.08 * done, "heldout_accuracy": 0.5 + 0.2 * done}
            row["principles"] = by_principle(40, done)
        rows.append(row)
    return tuple(rows)


def _second_votes(rng: random.Random, votes: Sequence[Vote], nasty: Sequence[str]) -> tuple[Vote, ...]:
    """What a judge at chance would say in both orders: it leans to what is shown first, and sometimes fails."""
    second = []
    for order in ("ab", "ba"):
        request = votes[0].request.model_copy(update={"judge": "second", "order": order})
        if rng.random() < 0.05:
            second.append(Vote(request=request, state="failed", reason="truncated", raw="{"))
            continue
        rationale = rng.choice([*nasty, "The first answer keeps to the question."])
        second.append(Vote(request=request, state="valid", logit=rng.gauss(1.0, 1.0), rationale=rationale))
    return tuple(second)


def _provenance(model: str, judge: Judge, seed: int) -> Provenance:
    return Provenance(
        model=ModelRef(name=model, path="model", revision="4f1c" * 8),
        judge="rules",
        judge_kind="rules",
        judge_digest=judge.digest,
        seed=seed,
        versions={"preceptor": "0.1.0", "torch": "2.13.0+cpu", "transformers": "5.19.0"},
        stages=(
            StageTime(stage="generate", seconds=141.2, peak_mib=2210, counted=240, tokens_out=9412),
            StageTime(stage="judge", seconds=3.4, peak_mib=2210),
            StageTime(stage="train", seconds=212.0, peak_mib=3140),
        ),
        seconds=356.6,
        started="2026-11-23T10:00:00+00:00",
        finished="2026-11-23T10:11:42+00:00",
    )


def prompted(pairs: Sequence[Pair], labels: Sequence[Label]) -> list[tuple[str, Label]]:
    """Each label with its prompt's key."""
    return [(pair.prompt.key, label) for pair, label in zip(pairs, labels, strict=True)]


class Judged(NamedTuple):
    """What comes of the training prompts."""

    pairs: tuple[JudgedPair, ...]
    labels: LabelStatistics
    conflicts: ConflictMap
    opinion: SecondOpinion
    judge: Judge


def _judged(rng: random.Random, law: Constitution, asked: Sequence[Prompt], nasty: Sequence[str], seed: int) -> Judged:
    pairs = [
        Pair(prompt=p, a=_answer(rng, p, 0, 9, rng.choice([*nasty, ""])), b=_answer(rng, p, 1, 16, f"end {i}"))
        for i, p in enumerate(asked)
    ]
    judge = open_judge("rules", RulesJudge(kind="rules"), law)
    with Store(Path(":memory:"), Vote) as store:
        judge_pairs(pairs, law, judge, store)
        votes = collect_votes(pairs, law, judge, store)
    seen = pairs[:24]
    second = {p.key: {i: _second_votes(rng, group, nasty) for i, group in votes[p.key].items()} for p in seen}
    agreement = compare_judges(seen, law, {pair.key: votes[pair.key] for pair in seen}, second)
    labels = [label_pair(pair, votes[pair.key], law, judge) for pair in pairs]
    flat = {key: tuple(v for group in groups.values() for v in group) for key, groups in votes.items()}
    also = {key: tuple(v for group in groups.values() for v in group) for key, groups in second.items()}
    everything = [vote for group in flat.values() for vote in group]
    model = f"tiny {' '.join(nasty)}".strip()
    return Judged(
        tuple(
            JudgedPair(pair=pair, label=label, votes=flat[pair.key], second_votes=also.get(pair.key, ()))
            for pair, label in zip(pairs, labels, strict=True)
        ),
        label_statistics(law, prompted(pairs, labels), count_states(everything), SETTINGS, seed),
        conflict_map(pairs, labels, law, best_worst=False),
        SecondOpinion(judge="small", model=model, pairs=len(seen), rows=tuple(agreement)),
        judge,
    )


def _answers(
    rng: random.Random, law: Constitution, tested: Sequence[Prompt], nasty: Sequence[str]
) -> list[HeldOutAnswers]:
    """The trained model is shorter; preferences fall from the first principle to the last; one prompt is unmoved."""
    found = []
    for number, prompt in enumerate(tested):
        before, after = (
            tuple(_answer(rng, prompt, i, rng.randint(*words), rng.choice([*nasty, ""])) for i in range(2))
            for words in ((12, 30), (6, 20))
        )
        preferences = {
            p.id: tuple(min(1.0, max(0.0, rng.gauss(0.75 - 0.2 * k, 0.2))) for _ in range(2))
            for k, p in enumerate(law.principles)
            if p.applies_to(prompt.tags)
        }
        found.append(
            HeldOutAnswers(
                prompt=prompt, before=before, after=before if number == 0 else after, preferences=preferences
            )
        )
    return found


def _table(law: Constitution, answers: Sequence[HeldOutAnswers], seed: int) -> BehaviourTable:
    preferences = {
        p.id: {each.prompt.key: each.preferences[p.id] for each in answers if p.id in each.preferences}
        for p in law.principles
    }
    before = {each.prompt.key: each.before for each in answers}
    after = {each.prompt.key: each.after for each in answers}
    return behaviour_table([each.prompt for each in answers], before, after, preferences, SETTINGS, seed)


def report_data(prompts: int = 30, heldout: int = 24, nasty: Sequence[str] = (), seed: int = 0) -> ReportData:
    """`prompts` pairs, `heldout` held-out prompts; `nasty` strings go wherever a model or a person writes freely."""
    rng = random.Random(seed)
    awkward = " ".join(nasty)
    law = constitution(f"The answer is short. {awkward}".strip(), NASTY_AXIS if nasty else "brevity")
    judged = _judged(rng, law, _prompts(rng, prompts, "train", nasty), nasty, seed)
    answers = _answers(rng, law, _prompts(rng, heldout, "heldout", nasty), nasty)
    tested, trained = [each.prompt for each in answers], [each.pair for each in judged.pairs]
    model = f"bundled:smollm2-135m-instruct {awkward}".strip()
    return ReportData(
        name=f"plain-speech {awkward}".strip(),
        config={"name": awkward or "plain-speech", "model": model, "seed": seed},
        constitution=law,
        provenance=_provenance(model, judged.judge, seed),
        generation=PairCounts(
            prompts=prompts,
            responses=4 * prompts,
            duplicates=3,
            empty=1,
            finished=prompts,
            prompts_without_pair=0,
            pairs=prompts,
        ),
        labels=judged.labels,
        conflicts=judged.conflicts,
        training=_metrics(rng, [p.id for p in law.principles], 60),
        behaviour=_table(law, answers, seed),
        second_opinion=judged.opinion,
        pairs=judged.pairs,
        answers=tuple(answers),
        trace=trace_report(rng, law, trained, tested, f"A traced answer. {awkward}".strip()),
        notes=(awkward,) if awkward else (),
    )
