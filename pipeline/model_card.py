"""The trained model's card, 50-policy/README.md, from what the stages left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from constitution.files import write_atomically
from judge.records import Label
from judge.settings import LlmJudge, RewardModelJudge
from pipeline.context import Run
from pipeline.stage_audit import read_card
from reports.model_card import Audited, JudgeCard, ModelCardFacts, model_card
from train.summary import TrainSummary


def write_model_card(run: Run, labels: Sequence[Label], summary: TrainSummary) -> None:
    """Write it beside the model that it is about."""
    card = read_card(run)
    facts = ModelCardFacts(
        run=run.config.name,
        constitution=run.constitution,
        judges=tuple(judge_card(run, name) for name in dict.fromkeys([run.config.judge, *run.config.sources.values()])),
        labels=Counter(label.reason or "labelled" for label in labels),
        settings=run.config.train.meaning(),
        summary=summary,
        audit=Audited(card.passed, card.words) if card else None,
    )
    write_atomically(run.folder.policy / "README.md", model_card(facts))


def judge_card(run: Run, name: str) -> JudgeCard:
    """What is to be known of one entry of `judges`."""
    entry = run.config.judges[name]
    model = None
    if isinstance(entry, LlmJudge):
        model = run.judges_model(entry)
    elif isinstance(entry, RewardModelJudge):
        model = run.model(entry.model, entry.revision)
    described = f"{model.name}, revision {model.revision}" if model else None
    return JudgeCard(name, entry.kind, described, run.judge(name).digest)
