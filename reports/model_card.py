"""The card of a trained model, README.md in its folder: what it was told, by whom, with what effect.

Texts of users and models are escaped, so that they can be read but not take part in the page's layout.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from constitution.model import Constitution, Principle
from reports.text import visible
from train.estimate import Estimate
from train.summary import TrainSummary
from train.watch import Watched

_MARKUP = re.compile(r"([\\`*_\[\]#|~$]|^[-+])")
UNIT = {
    "ranking": "share ranked as the label says",
    "against": "margin against the reference, nats a sequence",
    "displacement": "change of the preferred answers' log-probability, nats a sequence",
}


class JudgeCard(NamedTuple):
    """Who voted: its name in the run file, its kind, its model with revision (None without one), its identity."""

    name: str
    kind: str
    model: str | None
    digest: str


class Audited(NamedTuple):
    """What the audit said of the judge."""

    passed: bool
    words: tuple[str, ...]


class ModelCardFacts(NamedTuple):
    """Everything on the card."""

    run: str
    constitution: Constitution
    judges: tuple[JudgeCard, ...]
    labels: Mapping[str, int]
    settings: Mapping[str, object]
    summary: TrainSummary
    audit: Audited | None


def escaped(text: str) -> str:
    """`text` on one line, with nothing in it that Markdown or HTML would act upon."""
    return html.escape(_MARKUP.sub(r"\\\1", " ".join(visible(text).split())), quote=False)


def model_card(facts: ModelCardFacts) -> str:
    """The whole README.md, with the metadata that the Hugging Face hub reads at its head."""
    from huggingface_hub import ModelCard, ModelCardData

    metadata = ModelCardData(
        base_model=facts.summary.model.name,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["preceptor", "preference-training", facts.summary.loss.split()[0]],
    )
    blocks = [_head(facts), _principles(facts.constitution), _labels(facts), _training(facts), _heldout(facts.summary)]
    blocks += [_audit(facts.audit)] + ([_warnings(facts.summary)] if facts.summary.warnings else [])
    return str(ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n" + "\n\n".join(blocks) + "\n"))


def _head(facts: ModelCardFacts) -> str:
    model = facts.summary.model
    return (
        f"# {escaped(facts.run)}\n\n{escaped(model.name)} (revision {escaped(model.revision)}), trained by Preceptor "
        f"to follow the constitution {escaped(facts.constitution.name)}."
    )


def _principles(constitution: Constitution) -> str:
    rows = [
        [p.id, f"{p.weight:g}", "against" if p.polarity == "against" else "for", p.text] for p in _sorted(constitution)
    ]
    about = f"Key {constitution.key}, rule {escaped(constitution.aggregation.rule)}."
    return f"## Constitution\n\n{about}\n\n{_table(['principle', 'weight', 'polarity', 'text'], rows)}"


def _sorted(constitution: Constitution) -> list[Principle]:
    return sorted(constitution.principles, key=lambda p: (-p.weight, p.id))


def _labels(facts: ModelCardFacts) -> str:
    judges = [[j.name, j.kind, j.model or "–", j.digest] for j in facts.judges]
    counts = [[name.replace("_", " "), str(count)] for name, count in facts.labels.items()]
    tables = _table(["judge", "kind", "model", "identity"], judges), _table(["pairs", "n"], counts)
    return "## Labels\n\n" + "\n\n".join(tables)


def _training(facts: ModelCardFacts) -> str:
    summary = facts.summary
    lines = [f"- {escaped(line)}" for line in summary.lines() if not line.startswith("warning: ")]
    settings = _table(["setting", "value"], [[name, str(value)] for name, value in facts.settings.items()])
    return f"## Training\n\nLoss {escaped(summary.loss)}.\n\n" + "\n".join(lines) + f"\n\n{settings}"


def _heldout(summary: TrainSummary) -> str:
    if summary.heldout is None:
        return "## Held-out pairs\n\nNone were held out: nothing here says what was learnt beyond the trained pairs."
    watched = {one.name: one for one in summary.watched}
    tables = [_watched(watched[name], unit) for name, unit in UNIT.items()]
    return "## Held-out pairs\n\n95 % intervals over prompts.\n\n" + "\n\n".join(tables)


def _watched(one: Watched, unit: str) -> str:
    rows = [["all labels", *_cells(one.figure)]] if one.figure else []
    rows += [[principle, *_cells(found)] for principle, found in one.principles.items()]
    return _table([unit, "estimate", "interval", "pairs", "prompts"], rows)


def _cells(found: Estimate) -> list[str]:
    interval = "none" if found.low is None or found.high is None else f"{found.low:.3f} to {found.high:.3f}"
    return [f"{found.value:.3f}", interval, str(found.n), str(found.prompts)]


def _audit(audit: Audited | None) -> str:
    if audit is None:
        return "## The judge's audit\n\nThere is none."
    verdict = (
        "The judge passed." if audit.passed else "The judge did not pass, and its labels were accepted all the same."
    )
    return "\n".join(["## The judge's audit", "", verdict, "", *(f"- {escaped(words)}" for words in audit.words)])


def _warnings(summary: TrainSummary) -> str:
    return "\n".join(["## Warnings", "", *(f"- {escaped(warning)}" for warning in summary.warnings)])


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
