"""Sides of a comparison made without a model: answers, judgements and labels that are worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

from constitution.model import Constitution, Principle
from generate.records import Pair, Prompt, Response
from judge.records import Label, Share
from reports.compare.records import Measured, PairLabel, Side
from reports.data import HeldOutAnswers
from reports.settings import BehaviourSettings


def law(text: str = "Be brief.", weight: float = 1.0) -> Constitution:
    """One principle without a check, one with the words check."""
    return Constitution.model_validate(
        {
            "name": "law",
            "principles": [
                {"id": "brief", "text": text, "weight": weight},
                {"id": "words", "text": "Few words.", "check": {"type": "words", "max": 2}},
            ],
        }
    )


def response(prompt: Prompt, text: str) -> Response:
    return Response(prompt_key=prompt.key, text=text, finish="stop", tokens=3, sampler="s", seed=0, index=0)


def answers(ps: Sequence[float | None], words: Sequence[int], name: str = "q") -> list[HeldOutAnswers]:
    """A prompt for each p of `brief`; the reference says four words, the trained policy `words`."""
    found = []
    for place, (p, count) in enumerate(zip(ps, words, strict=True)):
        prompt = Prompt(id=f"{name}{place}", prompt=f"{name} {place}?")
        before, after = response(prompt, "one two three four"), response(prompt, " ".join(["word"] * count))
        found.append(
            HeldOutAnswers(
                prompt=prompt, before=(before,), after=(after,), preferences={"brief": (p,), "words": (0.5,)}
            )
        )
    return found


def label(p: float | None, constitution: Constitution, opinion: float = 0.9) -> Label:
    return Label(
        pair_key="k",
        constitution=constitution.key,
        judge="judge",
        rule="weighted_mean",
        p=p,
        reason=None if p is not None else "undecided",
        shares=(Share(principle="brief", weight=1.0, p=opinion),),
    )


def side(
    name: str,
    held_out: Sequence[HeldOutAnswers] | None,
    constitution: Constitution | None = None,
    labels: Sequence[tuple[str, str, float | None]] | None = None,
    judge: str = "judge",
    seed: int = 1,
) -> Side:
    """A run; `labels` are (answer a, answer b, p)."""
    found = constitution or law()
    pairs = [pair_of(a, b) for a, b, _ in labels or ()]
    return Side(
        name=name,
        folder=f"runs/{name}",
        config={"name": name, "seed": seed, "train": {"beta": 0.1 * seed}},
        facts={"model and judge": {"model revision": "r1", "judge": judge}, "data": {}, "versions": {}},
        constitution=found,
        settings=BehaviourSettings(resamples=500),
        seed=seed,
        labels=None
        if labels is None
        else [
            PairLabel(pair.a.key, pair.b.key, pair.prompt.key, label(p, found))
            for pair, (_, _, p) in zip(pairs, labels, strict=True)
        ],
        answers=None if held_out is None else list(held_out),
        measured=Measured({p.id: p.key for p in found.principles}, (judge, "")),
        notes=(),
        pairs=pairs,
    )


def pair_of(a: str, b: str) -> Pair:
    """These two answers to a prompt of their own, whichever stands first."""
    prompt = Prompt(id="".join(sorted((a, b))), prompt=f"{min(a, b)} or {max(a, b)}?")
    return Pair(prompt=prompt, a=response(prompt, a), b=response(prompt, b))


def added(constitution: Constitution, principle: Principle) -> Constitution:
    return constitution.model_copy(update={"principles": (*constitution.principles, principle)})
