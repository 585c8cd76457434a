"""The trained model's card, 50-policy/README.md, from what the stages left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from constitution.files import write_atomically
from generate.models import hub_id
from judge.imports.folder import is_import, read_account
from judge.records import Label
from pipeline.context import Run
from pipeline.judge_cards import judge_cards
from pipeline.stage_audit import read_card
from reports.model_card import Audited, ModelCardFacts, model_card
from train.summary import TrainSummary


def write_model_card(run: Run, labels: Sequence[Label], summary: TrainSummary) -> None:
    """Write it beside the model that it is about."""
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
    write_atomically(run.folder.policy / "README.md", model_card(facts))


def imported_from(run: Run) -> tuple[str, ...]:
    """Hub ids of the data sets that the run's pairs are from; none where they are not of `preceptor import`."""
    if not run.config.pairs or not is_import(run.base / run.config.pairs):
        return ()
    sources = read_account(run.base / run.config.pairs).request.sources
    return tuple(source for source in sources if "/" in source and not Path(source).exists() and hub_id(source))
