"""The card of a trained model, README.md in its folder: what it was told, by whom, with what effect.

Texts of users and models are escaped, so that they can be read but not take part in the page's layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from constitution.model import Constitution
from constitution.wording import plural
from generate.models import hub_id, public_name
from reports.card_behaviour import NOT_YET
from reports.card_parts import JudgeCard, escaped, labels_section, principles_section, table
from train.estimate import Estimate
from train.summary import TrainSummary
from train.watch import Watched

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

UNIT = {
    "ranking": "share ranked as the label says",
    "against": "(2p − 1) h against the reference, nats a sequence",
    "displacement": "change of the preferred answers' log-probability, nats a sequence",
}


HELDOUT = (
    "95 % intervals over prompts. h is how far the policy moved towards a pair's first answer, p the label or the "
    "principle's vote for it. The margin under Training is another figure: the mean of h towards the preferred answer, "
    "however sure the label is."
)


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
    data_sets: tuple[str, ...] = ()
    """Hub ids of the data sets that the pairs were imported from."""


def model_card(facts: ModelCardFacts) -> str:
    """The whole README.md, with the metadata that the Hugging Face hub reads at its head."""
    from huggingface_hub import ModelCard, ModelCardData

    results = _results(facts)
    metadata = ModelCardData(
        base_model=hub_id(facts.summary.model.name),
        datasets=list(facts.data_sets) or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["preceptor", "preference-training", facts.summary.loss.split()[0]],
        eval_results=results or None,
        model_name=escaped(facts.run) if results else None,
    )
    blocks = [
        _head(facts),
        principles_section(facts.constitution),
        labels_section(facts.judges, facts.labels),
        _training(facts),
        _heldout(facts.summary),
        NOT_YET,
    ]
    blocks += [_audit(facts.audit)] + ([_warnings(facts.summary)] if facts.summary.warnings else [])
    return str(ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n" + "\n\n".join(blocks) + "\n"))


def _results(facts: ModelCardFacts) -> list[EvalResult]:
    """For the hub's `model-index`: how held-out pairs are ranked, with n and interval in the name that it shows."""
    from huggingface_hub import EvalResult

    figure = next((one.figure for one in facts.summary.watched if one.name == "ranking"), None)
    if facts.summary.heldout is None or figure is None:
        return []
    counted = f"{plural(figure.n, 'pair')} of {plural(figure.prompts, 'prompt')}"
    sure = "" if figure.low is None or figure.high is None else f", 95 % {figure.low:.3f} to {figure.high:.3f}"
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type="preceptor-heldout-pairs",
            dataset_name=f"held-out pairs of the run {escaped(facts.run)}",
            metric_type="accuracy",
            metric_name=f"{UNIT['ranking']} (n = {counted}{sure})",
            metric_value=round(figure.value, 4),
        )
    ]


def _head(facts: ModelCardFacts) -> str:
    model = facts.summary.model
    name, revision = escaped(public_name(model.name)), escaped(model.revision)
    return (
        f"# {escaped(facts.run)}\n\n{name} (revision {revision}), trained by Preceptor to follow the constitution "
        f"{escaped(facts.constitution.name)}."
    )


def _training(facts: ModelCardFacts) -> str:
    summary = facts.summary
    lines = [f"- {escaped(line)}" for line in summary.lines() if not line.startswith("warning: ")]
    settings = table(["setting", "value"], [[name, str(value)] for name, value in facts.settings.items()])
    return f"## Training\n\nLoss {escaped(summary.loss)}.\n\n" + "\n".join(lines) + f"\n\n{settings}"


def _heldout(summary: TrainSummary) -> str:
    if summary.heldout is None:
        return "## Held-out pairs\n\nNone were held out: nothing here says what was learnt beyond the trained pairs."
    watched = {one.name: one for one in summary.watched}
    tables = [_watched(watched[name], unit) for name, unit in UNIT.items()]
    return f"## Held-out pairs\n\n{HELDOUT}\n\n" + "\n\n".join(tables)


def _watched(one: Watched, unit: str) -> str:
    rows = [["all labels", *_cells(one.figure)]] if one.figure else []
    rows += [[principle, *_cells(found)] for principle, found in one.principles.items()]
    return table([unit, "estimate", "interval", "pairs", "prompts"], rows)


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
