"""The report as one HTML page: nothing is loaded, nothing runs, and what others wrote is only text."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from constitution.model import Constitution
from judge.agreement import verdict_on
from judge.audit.gate import NOT_MEASURED, unmeasured
from judge.records import Vote
from reports import figures, text
from reports.ablation.picture import matrices
from reports.ablation.records import AblationReport
from reports.ablation.words import cell_sentence, control_sentence, found_cells
from reports.ablation.words import headline as ablation_headline
from reports.behaviour import BehaviourTable, PrincipleRow, caution
from reports.conflict_figure import conflict_figure
from reports.conflict_words import same_sentence, winner
from reports.curves import last
from reports.data import JudgedPair, ReportData
from reports.forest import forest
from reports.matrix_figure import Matrix
from reports.opinion_words import opinion_sentence
from reports.principle_section import principle_sections
from reports.summary import HEADINGS, headline, principle_sentence
from reports.trace.dial_words import dial_sentences
from reports.trace.frontier_figure import frontier_figure
from reports.trace.page import TraceSection, most, trace_section
from reports.trace.records import TraceReport

PAIRS_SHOWN = 60
ANSWERS_SHOWN = 40
COUPLES_BY_TOPIC = 10
TEXT_SHOWN = 1500
"""Characters shown of one text; the JSON twin has all of them."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
TEMPLATES = Path(__file__).parent / "templates"

GATE_OUTCOMES = {
    "passed": "passed",
    "failed": "failed",
    "undecided": "too little data",
    "does_not_apply": "does not apply",
}
GATE_CLASSES = {"passed": "intended", "failed": "against", "undecided": "undetected", "does_not_apply": "undetected"}


class VoteRow(NamedTuple):
    """One principle's part of one pair: what it makes of the pair, and the votes behind it."""

    principle: str
    p: float | None
    weight: float | None
    missing: str | None
    votes: list[Vote]
    second_votes: list[Vote]


class Group(NamedTuple):
    """The principles with one outcome."""

    outcome: str
    title: str
    rows: list[PrincipleRow]


def render(data: ReportData) -> str:
    """The whole page. The same data give the same bytes."""
    environment, pairs = page_environment(), shown_pairs(data)
    steps = [int(str(row.get("steps", 1))) for row in data.training]
    return environment.get_template("report.html.j2").render(
        data=data,
        forest=_figure(forest(data.behaviour)),
        training=_figure(figures.training(data.training)),
        margins=_figure(figures.margins(data.training, data.constitution)),
        conflict_figure=_figure(conflict_figure(data.conflicts)),
        replaced=any(row.replaced is not None for row in data.conflicts.principles),
        couples_by_topic=COUPLES_BY_TOPIC,
        headline=headline(data.behaviour),
        caution=caution(data.behaviour),
        headings=HEADINGS,
        steps=sum(steps),
        steps_a_point=max(steps, default=0),
        heldout_pairs=None if (heldout := last(data.training, "heldout_n")) is None else int(heldout),
        principles=principle_sections(data, {judged.pair.key for judged in pairs}),
        **script_frame(),
        ablation=ablation_section(data.ablation) if data.ablation else None,
        trace=drawn_trace(data.trace) if data.trace else None,
        groups=outcome_groups(data.behaviour),
        pairs=pairs,
        answers=data.answers[:ANSWERS_SHOWN],
        opinion_sentence=opinion_sentence(opinion, data.provenance.judge) if (opinion := data.second_opinion) else "",
        config=json.dumps(data.config, indent=2, ensure_ascii=False, sort_keys=False),
    )


class Drawn(NamedTuple):
    """A matrix as markup, the columns that it is about, as names and in a row, and whether any cell is coloured."""

    columns: tuple[str, ...]
    about: str
    svg: Markup
    found: bool


class AblationSection(NamedTuple):
    """What the report shows of an ablation; its own page has the rest."""

    headline: str
    found: list[str]
    controls: list[str]
    notes: tuple[str, ...]
    pictures: list[Drawn]


def ablation_section(report: AblationReport) -> AblationSection:
    """The matrix of the held-out margins, and what was found in it."""
    return AblationSection(
        ablation_headline(report),
        [cell_sentence(cell, report.behaviours) for cell in found_cells(report)],
        [control_sentence(report, kind) for kind in ("sham", "duplicate")],
        report.notes,
        drawn_matrices(matrices(report)),
    )


def drawn(pictures: Sequence[str]) -> list[Markup]:
    """Pictures of ours, ready for a page."""
    return [Markup(svg) for svg in pictures]  # noqa: S704 - drawn by us; figures.svg escapes what others wrote


def drawn_matrices(pictures: Sequence[Matrix]) -> list[Drawn]:
    """Matrices, ready for a page."""
    return [
        Drawn(one.columns, one.about, svg, one.found)
        for one, svg in zip(pictures, drawn([one.svg for one in pictures]), strict=True)
    ]


class DrawnTrace(NamedTuple):
    """What the page shows of a trace."""

    section: TraceSection
    moved: list[Drawn]
    predicted: list[Drawn]
    frontier: Markup | None
    dial: list[str]


def drawn_trace(found: TraceReport) -> DrawnTrace:
    """Its sentences and pictures."""
    section = trace_section(found)
    frontier = _figure(frontier_figure(found.frontier)) if found.frontier else None
    dial = dial_sentences(found.frontier) if found.frontier else []
    return DrawnTrace(section, drawn_matrices(section.moved), drawn_matrices(section.predicted), frontier, dial)


def outcome_groups(table: BehaviourTable) -> list[Group]:
    """The principles by outcome, strongest win rate first; outcomes that no principle has are left out."""
    groups = []
    for outcome, title in HEADINGS.items():
        rows = [row for row in table.principles if row.outcome == outcome]
        rows.sort(key=lambda row: (-abs(row.win_rate.estimate - 0.5) if row.win_rate else 0.0, row.id))
        groups.append(Group(outcome, title, rows))
    return [group for group in groups if group.rows]


def shown_pairs(data: ReportData) -> list[JudgedPair]:
    """Those that two judges saw first, then those that a principle decides, then the other labelled ones, each in the
    order of the run."""
    decisive = {row.pair for rows in data.deciding.values() for row in rows}
    ranked = sorted(
        data.pairs,
        key=lambda judged: (not judged.second_votes, judged.pair.key not in decisive, judged.label.p is None),
    )
    return ranked[:PAIRS_SHOWN]


def vote_rows(judged: JudgedPair, constitution: Constitution) -> list[VoteRow]:
    """The principles that apply to the pair, in the constitution's order, each with its votes."""
    shares = {share.principle: share for share in judged.label.shares}
    missing = dict(judged.label.missing)
    rows = []
    for principle in constitution.principles:
        if principle.id not in shares and principle.id not in missing:
            continue
        share = shares.get(principle.id)
        rows.append(
            VoteRow(
                principle.id,
                share.p if share else None,
                share.weight if share else None,
                missing.get(principle.id),
                [vote for vote in judged.votes if vote.request.principle_key == principle.key],
                [vote for vote in judged.second_votes if vote.request.principle_key == principle.key],
            )
        )
    return rows


def vote_words(vote: Vote) -> str:
    """`A by 4.0, A shown first` (in nats); `even, ...`; or why there is no preference."""
    first, second = ("A", "B") if vote.request.order == "ab" else ("B", "A")
    if vote.logit is None:
        words = f"{vote.state}: {vote.reason}"
    elif vote.logit == 0:
        words = "even"
    else:
        words = f"{first if vote.logit > 0 else second} by {text.number(abs(vote.logit))}"
    return f"{words}, {first} shown first"


def unbroken_sentence(row: PrincipleRow) -> str:
    """`principle_sentence` without torn figures."""
    return unbroken(principle_sentence(row))


def unbroken(sentence: str) -> str:
    """The sentence with figures that are not torn apart at a line's end: their spaces do not break."""
    return re.sub(r"\[[^\]]*\]|n = [\d,]+|\d %", lambda figure: figure[0].replace(" ", "\u00a0"), sentence)


def coded(sentence: str) -> Markup:
    """The sentence escaped, what stands between backticks as code."""
    parts = [escape(part) for part in text.visible(sentence).split("`")]
    if len(parts) % 2 == 0:
        return escape(text.visible(sentence))
    return Markup().join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def _figure(svg: str) -> Markup | None:
    return Markup(svg) if svg else None  # noqa: S704 - drawn by us; figures.svg escapes what others wrote


def _finalize(value: object) -> object:
    """Every text that a template prints passes here on its way to escaping; markup of our own does not."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def script_frame() -> dict[str, str]:
    """`page_frame` of a page with our script: the policy allows this very text, by its digest, and no other."""
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return page_frame() | {
        "policy": f"{POLICY}; script-src 'sha256-{digest}'",
        "script": Markup(script),  # noqa: S704 - our own file
    }


def page_frame() -> dict[str, str]:
    """What the head of every page needs: the content security policy and the style sheet."""
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return {"policy": POLICY, "css": css}


def page_environment() -> ImmutableSandboxedEnvironment:
    """The templates, with our filters, escaping everything."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    filters: dict[str, Callable[..., object]] = {
        "number": text.number,
        "percent": text.percent,
        "plural": text.plural,
        "duration": text.duration,
        "picture": _figure,
        "clip": lambda value: text.shorten(value, TEXT_SHOWN),
        "verdict_on": verdict_on,
        "vote_words": vote_words,
        "sentence": unbroken_sentence,
        "unbroken": unbroken,
        "coded": coded,
        "winner": winner,
        "same": same_sentence,
        "most": most,
        "unmeasured": unmeasured,
        "strongest": lambda parts: sorted(parts.items(), key=lambda part: (-abs(part[1]), part[0])),
    }
    environment.filters.update(filters)
    environment.globals.update(
        vote_rows=vote_rows, outcomes=GATE_OUTCOMES, outcome_classes=GATE_CLASSES, not_measured=NOT_MEASURED
    )
    return environment
