"""A retrained policy's own words: it answers held-out prompts, and its answers are measured without a judge.

Every label set is sampled with the same seeds, so that two of them differ in their weights alone.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from constitution.identity import digest, seed_from
from constitution.model import Constitution
from generate.engine import Completion, Engine, ModelRef, Sampling
from generate.open import open_engine
from generate.records import Prompt, Response
from judge.by_rules import check_score
from judge.rules import RULES_VERSION
from pipeline.context import Run
from reports.ablation.records import Behaviour
from reports.features import FEATURES

if TYPE_CHECKING:
    from train.policy import Policy

COPY = ".retrained-"
"""How the folders begin in which a policy is put before the engine."""


class AnswerPlan(NamedTuple):
    """What every retrained policy is asked."""

    prompts: list[Prompt]
    samples: int
    sampling: Sampling
    seed: int
    behaviours: list[Behaviour]
    digest: str
    """Of everything that determines the figures, but for the policy."""


def answer_plan(run: Run, count: int) -> AnswerPlan | None:
    """The first `count` held-out prompts, sampled as the stage `behaviour` does; None for none."""
    if not count:
        return None
    prompts, settings = run.heldout_prompts[:count], run.config.behaviour
    sampling = settings.sampling or run.config.generate.sampling
    engine = run.config.engines[run.config.engine]
    checks = [[p.key, sorted(p.scope)] for p in run.constitution.principles]
    identity = digest(
        "ablation answers",
        prompts=[[prompt.key, list(prompt.tags)] for prompt in prompts],
        samples=settings.samples,
        sampling=sampling.model_dump(),
        engine=engine.model_dump(mode="json"),
        batch=run.config.generate.prompts_per_batch,
        seed=run.config.seed,
        measures=[RULES_VERSION, checks, [feature.id for feature in FEATURES]],
    )
    behaviours = sampled_behaviours(run.constitution)
    return AnswerPlan(prompts, settings.samples, sampling, run.config.seed, behaviours, identity)


def sampled_behaviours(constitution: Constitution) -> list[Behaviour]:
    """The score of every principle that has a check, and every plain feature."""
    checked = [p.id for p in constitution.principles if p.check is not None]
    found = [
        Behaviour(id=f"check:{i}", kind="check", label=f"{i}, as its check scores sampled answers") for i in checked
    ]
    return found + [
        Behaviour(id=f"feature:{f.id}", kind="feature", label=f"{f.label} (sampled answers)") for f in FEATURES
    ]


def answers_of(run: Run, policy: Policy, plan: AnswerPlan) -> dict[str, dict[str, float]]:
    """Behaviour -> prompt key -> mean over the answers. The policy is left as it is."""
    from train.save_copy import save_copy

    with tempfile.TemporaryDirectory(prefix=COPY, dir=run.folder.root) as folder:
        save_copy(policy, Path(folder), adapted=run.config.train.lora is not None)
        model = ModelRef(name="the retrained policy", path=folder, revision="in training")
        engine = open_engine(run.config.engine, run.config.engines[run.config.engine], model)
        try:
            answers = sampled_answers(engine, plan, run.config.generate.prompts_per_batch)
        finally:
            engine.close()
    return measured(run.constitution, plan.prompts, answers)


def remove_copies(run: Run) -> None:
    """What a crash left of them."""
    for folder in run.folder.root.glob(f"{COPY}*"):
        shutil.rmtree(folder)


def sampled_answers(engine: Engine, plan: AnswerPlan, at_once: int) -> list[list[Completion]]:
    """Each prompt's answers, `at_once` prompts in a call; the seeds depend on the prompts alone."""
    found: list[list[Completion]] = []
    for start in range(0, len(plan.prompts), at_once):
        batch = plan.prompts[start : start + at_once]
        seed = seed_from("ablation answers", plan.seed, [prompt.key for prompt in batch])
        found += engine.sample([prompt.conversation for prompt in batch], plan.samples, plan.sampling, seed)
    return found


def measured(
    constitution: Constitution, prompts: Sequence[Prompt], answers: Sequence[Sequence[Completion]]
) -> dict[str, dict[str, float]]:
    """Every sampled behaviour of these answers, by prompt; a principle's where the prompt is in its scope."""
    found: Mapping[str, dict[str, float]] = defaultdict(dict)
    for prompt, completions in zip(prompts, answers, strict=True):
        responses = [_response(prompt, completion, index) for index, completion in enumerate(completions)]
        for principle in constitution.principles:
            scores = [one for r in responses if (one := check_score(principle, prompt, r)) is not None]
            if scores:
                found[f"check:{principle.id}"][prompt.key] = _mean(scores)
        for feature in FEATURES:
            found[f"feature:{feature.id}"][prompt.key] = _mean([feature.measure(response) for response in responses])
    return dict(found)


def _response(prompt: Prompt, one: Completion, index: int) -> Response:
    sampled = {"sampler": "ablation", "seed": 0, "index": index}
    return Response.model_validate(
        {"prompt_key": prompt.key, "text": one.text, "finish": one.finish, "tokens": one.tokens, **sampled}
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
