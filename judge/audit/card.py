"""A judge's card: everything that the audit knows of it, as one record, and the function that makes it."""

from __future__ import annotations

from pydantic import Field

from constitution.model import Constitution
from constitution.record import Record
from judge.audit.gate import Criterion, gate, passes
from judge.audit.measure import Asked, Measured, gold_on_labels, gold_on_principles, measure, part_of
from judge.audit.probed import Injections, injections
from judge.audit.settings import AuditSettings, GateSettings, Probe
from judge.audit.words import describe, worst_family
from judge.interface import Judge

CARD_VERSION = 2


class Voter(Record):
    """One of the judges that vote in the run."""

    name: str
    """Its name in the run file."""
    kind: str
    """Its kind."""
    model: str | None
    """Its model, if it has one."""
    digest: str
    """Identity of the judge."""
    principles: tuple[str, ...]
    """The principles that it votes on."""
    one_order: str | None
    """Why one order says all, for judges of which that is so."""


class About(Record):
    """Whose card it is, and what it rests on."""

    run: str
    """The run's name."""
    judge: str
    """The judge's name in the run file."""
    kind: str
    """Its kind; `panel` where some principles have a judge of their own."""
    digest: str
    """Identity of the judge."""
    model: str | None
    """Its model, if it has one."""
    voters: tuple[Voter, ...] = ()
    """Of a panel: who votes on what."""
    constitution: str
    """The constitution's name."""
    constitution_key: str
    """The constitution's key."""
    votes_digest: str
    """Identity of the run's votes."""
    gold: str | None = None
    """Where gold came from."""
    seconds_per_vote: float | None = None
    """Wall-clock time of the last asking, a vote; None where nothing had to be asked."""
    one_order: str | None = None
    """Why one order says all, for judges of which that is so."""
    not_probed: dict[Probe, str] = Field(default_factory=dict)
    """Probe -> why it was left out, or for which principles."""

    def one_order_for(self, principle: str) -> str | None:
        """`one_order` of the judge that votes on this principle."""
        return next((voter.one_order for voter in self.voters if principle in voter.principles), self.one_order)


class PrincipleCard(Record):
    """The judge on one principle."""

    id: str
    """The principle's id."""
    text: str
    """What it asks for."""
    figures: Measured
    """Everything measured."""
    words: tuple[str, ...]
    """The same in plain words."""


class Card(Record):
    """A judge's card."""

    version: int = CARD_VERSION
    """Of this record."""
    about: About
    """Whose card it is."""
    words: tuple[str, ...]
    """The verdict on the judge in plain words."""
    passed: bool
    """Whether a model may be trained on its labels."""
    gate: tuple[Criterion, ...]
    """What was demanded of it and what came of it."""
    figures: Measured
    """Everything measured, over all principles."""
    sample: int
    """Pairs that the probes asked about."""
    injections: Injections | None
    """What injected text does, by kind."""
    principles: tuple[PrincipleCard, ...]
    """One for each principle, in the constitution's order."""
    settings: AuditSettings | None
    """What the probes were asked with; None where only the run's votes were read."""


def make_card(
    about: About, constitution: Constitution, judge: Judge, asked: Asked, settings: AuditSettings | None
) -> Card:
    """Score everything that was asked. Asks nothing itself."""
    alone = len(constitution.principles) == 1
    gold = gold_on_principles(asked, alone) or gold_on_labels(asked, constitution, judge)
    figures = measure(asked, gold, "all")
    demands = settings.gate if settings else GateSettings()
    attacked = injections(asked.attacks) if asked.attacks else None
    worst = worst_family(attacked) if attacked else None
    criteria = gate(demands, figures, about.one_order, attacked)
    rows = []
    for principle in constitution.principles:
        part = part_of(asked, principle.id)
        own = measure(part, gold_on_principles(part, alone), principle.id)
        words = tuple(describe(own, about.one_order_for(principle.id)))
        rows.append(PrincipleCard(id=principle.id, text=principle.text, figures=own, words=words))
    return Card(
        about=about,
        words=(*describe(figures, about.one_order), *([worst] if worst else ())),
        passed=passes(criteria, demands),
        gate=tuple(criteria),
        figures=figures,
        sample=len({cell.pair.key for cell in asked.clean}),
        injections=attacked,
        principles=tuple(rows),
        settings=settings,
    )
