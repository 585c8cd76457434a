"""The run file: one YAML that says everything about a run. Paths in it are relative to the file."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from constitution.model import ID_PATTERN
from constitution.record import Record
from generate.address import Address
from generate.settings import EngineSettings, GenerateSettings, OpenAiEngine, TransformersEngine
from judge.audit.settings import AuditSettings
from judge.settings import JudgeSettings, LlmJudge, RulesJudge
from pipeline.executor_settings import ExecutorSettings, LocalExecutor
from reports.settings import BehaviourSettings, ThreadSettings
from train.settings import TrainSettings


class PromptFiles(Record):
    """Prompts, disjoint: files of JSON lines or Parquet, folders of such files, or fsspec URLs of either."""

    train: Address | None = Field(default=None, min_length=1)
    """Prompts to generate, judge and train on; left out with `pairs`, which bring their own."""
    heldout: Address = Field(min_length=1)
    """Prompts that only the behaviour before and after is measured on."""


class SecondOpinion(Record):
    """Another judge on a sample of the same pairs, for comparison; its votes label nothing."""

    judge: str
    """The name of an entry of `judges`."""
    pairs: int = Field(default=24, gt=0)
    """How many pairs, drawn at random with the run's seed."""


class RunConfig(Record):
    """A run, from constitution to report."""

    name: str = Field(pattern=ID_PATTERN, max_length=64)
    """The run folder's name."""
    constitution: str = Field(min_length=1)
    """The constitution's YAML file."""
    prompts: PromptFiles
    """Where the prompts are."""
    pairs: Address | None = Field(default=None, min_length=1)
    """A folder that `preceptor import` wrote, or a file, a folder of files or a URL with a pair in every line or row:
    these pairs are judged and trained on, and no answers are sampled."""
    model: str = Field(min_length=1)
    """The policy before training: `bundled:smollm2-135m-instruct`, a Hugging Face id, or a folder."""
    revision: str | None = None
    """The commit of a Hugging Face model; the newest when omitted, and recorded either way."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Sampling, pairing, splits and the order of training all derive from it."""
    engines: dict[str, EngineSettings] = Field(default={"embedded": TransformersEngine(type="transformers")})
    """The engines of this run, by a name of your choice."""
    engine: str = "embedded"
    """The engine that generates; not of type `openai`."""
    generate: GenerateSettings = GenerateSettings()
    """How response pairs come about."""
    judges: dict[str, JudgeSettings] = Field(default={"rules": RulesJudge(kind="rules")})
    """The judges that this run could use, by a name of your choice."""
    judge: str = "rules"
    """The judge whose votes become labels: the one line that swaps it."""
    sources: dict[str, str] = Field(default={})
    """Who is who: a role that principles name as their `source`, and the entry of `judges` that votes for it."""
    votes: str | None = Field(default=None, min_length=1)
    """An SQLite file of votes that several runs share, made if it is not there; the run folder's own when omitted."""
    executor: ExecutorSettings = LocalExecutor(type="local")
    """Where answers are sampled and votes asked: in this process, or on Ray actors."""
    second_opinion: SecondOpinion | None = None
    """Another judge to compare it with."""
    audit: AuditSettings | None = None
    """What is asked of the judge to find out whether it can be trusted, and what it must come up to. When omitted, only
    its own votes are looked at, with the default gate."""
    train: TrainSettings = TrainSettings()
    """How labels become a policy."""
    behaviour: BehaviourSettings = BehaviourSettings()
    """How the change is measured."""
    trace: ThreadSettings | None = None
    """What the report traces back to principles and pairs; nothing when omitted, and `preceptor trace` can still be
    asked."""

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        def need(
            name: str, where: str, table: dict[str, object] | dict[str, JudgeSettings] | dict[str, EngineSettings]
        ) -> None:
            if name not in table:
                raise ValueError(f"{where} is `{name}`, but the file defines only: {', '.join(sorted(table))}")

        if (self.prompts.train is None) == (self.pairs is None):
            raise ValueError(
                "give either `prompts.train`, prompts whose answers are sampled, or `pairs`, a folder of imported pairs"
            )
        need(self.engine, "`engine`", self.engines)
        if isinstance(self.engines[self.engine], OpenAiEngine):
            raise ValueError(
                f"`engine` is `{self.engine}`, of type `openai`, which is for judges only: the engine that generates "
                "must also sample the trained policy, and a server does not have it; name one of type `transformers` "
                "or `vllm`"
            )
        need(self.judge, "`judge`", self.judges)
        for role, judge_name in self.sources.items():
            need(judge_name, f"`sources.{role}`", self.judges)
        if self.second_opinion:
            need(self.second_opinion.judge, "`second_opinion.judge`", self.judges)
        if self.behaviour.judge is not None:
            need(self.behaviour.judge, "`behaviour.judge`", self.judges)
        for name, judge in self.judges.items():
            if isinstance(judge, LlmJudge):
                need(judge.engine, f"`judges.{name}.engine`", self.engines)
        return self
