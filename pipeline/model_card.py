"""The trained model's card, 50-policy/README.md, from what the stages left. No stage takes it as an input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from constitution.files import read_text, write_atomically
from generate.models import hub_id
from judge.imports.folder import is_import, read_account
from judge.records import Label
from pipeline.context import Run
from pipeline.judge_cards import judge_cards
from pipeline.judged import read_behaviour
from pipeline.out_of_step import measured_policy
from pipeline.stage_audit import read_card
from reports.behaviour import BehaviourTable
from reports.card_behaviour import with_behaviour
from reports.model_card import Audited, ModelCardFacts, model_card
from train.summary import TrainSummary

CARD = "README.md"


def write_model_card(run: Run, labels: Sequence[Label], summary: TrainSummary) -> None:
    """Write it beside the model that it is about, with the behaviour where that was measured of this very model."""
    card = read_card(run)
    facts = ModelCardFacts(
        run=run.config.name,
        constitution=run.constitution,
        judges=judge_cards(run),
        labels=Counter(label.reason or "labelled" for label in labels),
        settings=run.config.train.meaning(),
        summary=summary,
        audit=Audited(card.passed, card.words) if card else None,
        data_sets=imported_from(run),
    )
    write_atomically(run.folder.policy / CARD, model_card(facts))
    # Trained again to the same weights, a model is not compared again, and nobody else would write its card.
    if measured_policy(run.folder):
        add_behaviour(run, read_behaviour(run))


def add_behaviour(run: Run, table: BehaviourTable) -> None:
    """Put what was measured into the card that training wrote; the rest of it is of the training and stays."""
    card = run.folder.policy / CARD
    if card.exists():
        judge = run.config.behaviour.judge or run.config.judge
        write_atomically(card, with_behaviour(read_text(card), table, judge))


def imported_from(run: Run) -> tuple[str, ...]:
    """Hub ids of the data sets that the run's pairs are from; none where they are not of `preceptor import`."""
    if not run.config.pairs or not is_import(run.base / run.config.pairs):
        return ()
    sources = read_account(run.base / run.config.pairs).request.sources
    return tuple(source for source in sources if "/" in source and not Path(source).exists() and hub_id(source))
