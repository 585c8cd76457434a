"""Everything a report shows, as one record: filled by the pipeline, turned into a page, CSV and JSON here."""

from __future__ import annotations

from pydantic import Field, JsonValue

from constitution.model import Constitution
from constitution.record import Record
from generate.engine import ModelRef
from generate.pairs import PairCounts
from generate.records import Pair, Prompt, Response
from judge.agreement import Agreement
from judge.audit.gate import Criterion
from judge.records import Label, Vote
from reports.ablation.records import AblationReport
from reports.behaviour import BehaviourTable
from reports.conflicts import ConflictMap
from reports.decided import DecidedPair
from reports.labels import LabelStatistics
from reports.trace.records import TraceReport


class StageTime(Record):
    """How long one stage took when it last did something."""

    stage: str
    """Its name."""
    seconds: float = Field(ge=0)
    """Wall-clock time."""
    peak_mib: int | None = Field(default=None, ge=0)
    """Peak resident memory of the process up to the stage's end."""
    counted: int | None = Field(default=None, ge=0)
    """Answers or votes that the tokens are of, those from the store included; None where it asks a model for none, or
    has not counted them."""
    tokens_in: int | None = Field(default=None, ge=0)
    """Prompt tokens of these, where they are counted."""
    tokens_out: int | None = Field(default=None, ge=0)
    """Tokens generated for these."""


class Provenance(Record):
    """What it takes to run this again and get the same."""

    model: ModelRef
    """The model before training."""
    judge: str
    """The labelling judge's name in the run file."""
    judge_kind: str
    """`rules` or `llm`."""
    judge_digest: str
    """Digest of the judge: kind, model with revision, template, read-out."""
    seed: int
    """The run's seed."""
    data: dict[str, str] = Field(default_factory=dict)
    """What was read -> its digest."""
    votes: int | None = None
    """Votes on the run's pairs, those taken from the store included; None where an older version counted them."""
    tokens_in: int | None = None
    """Prompt tokens of these votes."""
    tokens_out: int | None = None
    """Tokens generated for them."""
    versions: dict[str, str]
    """Package -> version."""
    stages: tuple[StageTime, ...]
    """In the order in which they run."""
    seconds: float | None = Field(default=None, ge=0)
    """Their times together."""
    started: str
    """When the first stage began, ISO 8601."""
    finished: str
    """When the last stage ended."""


class JudgeCard(Record):
    """The labelling judge's audit in brief; its own page has the rest."""

    passed: bool
    """Whether a model may be trained on its labels."""
    words: tuple[str, ...]
    """What is to be said of it."""
    gate: tuple[Criterion, ...]
    """What was demanded of it and what came of it."""


class SecondOpinion(Record):
    """Another judge on some of the same pairs; its votes label nothing."""

    judge: str
    """Its name in the run file."""
    model: str | None
    """Its model, if it has one."""
    pairs: int = Field(ge=0)
    """Pairs that it was shown."""
    rows: tuple[Agreement, ...]
    """One for each principle: the labelling judge first, this one second."""


class JudgedPair(Record):
    """One pair with everything that was said of it."""

    pair: Pair
    """The prompt and the two answers."""
    label: Label
    """What the constitution makes of the votes."""
    votes: tuple[Vote, ...]
    """The labelling judge's votes."""
    second_votes: tuple[Vote, ...] = ()
    """The second judge's votes, if it was shown this pair."""


class HeldOutAnswers(Record):
    """Both models' answers to one held-out prompt."""

    prompt: Prompt
    """The prompt."""
    before: tuple[Response, ...]
    """The original model's answers."""
    after: tuple[Response, ...]
    """The trained model's; the i-th is compared with the i-th before."""
    preferences: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    """Principle id -> p(after_i better than before_i); None where there is no valid judgement."""


class ReportData(Record):
    """One run, complete."""

    name: str
    """The run's name."""
    config: dict[str, JsonValue]
    """The resolved configuration."""
    constitution: Constitution
    """What was wanted."""
    provenance: Provenance
    """What was run, on what, for how long."""
    generation: PairCounts
    """What became of the sampled answers."""
    labels: LabelStatistics
    """What each principle said of the pairs."""
    conflicts: ConflictMap
    """Which labels hang on which principle, which principles disagree, and who wins."""
    deciding: dict[str, tuple[DecidedPair, ...]] = Field(default_factory=dict)
    """Principle id -> some of the labels trained on that are others without it, its largest parts first."""
    training: tuple[dict[str, JsonValue], ...]
    """The lines of metrics.jsonl; of many steps several in one (reports/thinned.py), which then says so in `steps`."""
    behaviour: BehaviourTable
    """What moved."""
    judge_card: JudgeCard | None = None
    """The audit of the labelling judge on these votes, if it was made."""
    second_opinion: SecondOpinion | None = None
    """How another judge sees some of the same pairs."""
    pairs: tuple[JudgedPair, ...] = ()
    """Pairs with their votes; the page shows the first few, the JSON twin all of them."""
    answers: tuple[HeldOutAnswers, ...] = ()
    """Held-out answers; the page shows the first few, the JSON twin all of them."""
    ablation: AblationReport | None = None
    """What retraining without each principle did, if `preceptor ablate` was run on this policy."""
    trace: TraceReport | None = None
    """Who moved each behaviour and who taught single answers, if the run file has `trace`."""
    notes: tuple[str, ...] = ()
    """Warnings that a reader must see."""
