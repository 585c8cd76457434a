"""Who labels a run, as the cards of its model and its data say it."""

from __future__ import annotations

from generate.models import public_name
from judge.settings import LlmJudge, RewardModelJudge
from pipeline.context import Run
from reports.card_parts import JudgeCard


def judge_cards(run: Run) -> tuple[JudgeCard, ...]:
    """Of every entry of `judges` that labels this run."""
    return tuple(judge_card(run, name) for name in dict.fromkeys([run.config.judge, *run.config.sources.values()]))


def judge_card(run: Run, name: str) -> JudgeCard:
    """What is to be known of one entry of `judges`."""
    entry = run.config.judges[name]
    model = None
    if isinstance(entry, LlmJudge):
        model = run.judges_model(entry)
    elif isinstance(entry, RewardModelJudge):
        model = run.model(entry.model, entry.revision)
    described = f"{public_name(model.name)}, revision {model.revision}" if model else None
    return JudgeCard(name, entry.kind, described, run.judge(name).digest)
