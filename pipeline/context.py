"""One run in progress: its configuration, what the configuration refers to, and the models that are open right now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from constitution.errors import StoreError
from constitution.files import RecordFile
from constitution.load import read_constitution
from constitution.model import Constitution
from constitution.store import Store
from generate.engine import Engine, ModelRef, Sampling
from generate.models import resolve_model
from generate.open import open_engine
from generate.prompts import check_disjoint, check_prompts, load_prompts, prompt_source
from generate.record_files import RecordSource, located
from generate.records import Pair, Prompt
from generate.sampling import SamplePlan, SampleSet, sampler_digest
from generate.served import served_model
from generate.settings import OpenAiEngine
from judge.calibration import Applied
from judge.imports.folder import check_pairs, pair_source, single_source
from judge.imports.found import Single
from judge.judges import Judge, open_judge
from judge.records import Label, Vote
from judge.reward_model import RewardModel
from judge.settings import LlmJudge, RecordedJudge, RewardModelJudge
from pipeline.calibrations import run_calibration
from pipeline.config import RunConfig
from pipeline.console import Console
from pipeline.folder import RunFolder
from pipeline.sources import check_sources, open_panel

VOTES_STORE = "store of votes"
"""The mark of a stage that fills it: the store's identity."""


@dataclass
class Run:
    """What every stage works on. Models are opened on first use, so a run with nothing to do loads none."""

    config: RunConfig
    base: Path
    folder: RunFolder
    console: Console
    file: Path = Path("RUN.yaml")
    """The run file, as the user named it."""
    dry: bool = False
    accept: tuple[str, ...] = ()
    """Judges whose labels are trained on although their audit failed."""
    retry_failed: bool = False
    """Put failed votes to the judge again, also those that would fail alike."""
    measure: bool = False
    """A dry run that may ask a few votes, to time the judge."""
    train_count: int = 0
    """How many `train_prompts` there are, once they have been checked."""
    track: str | None = None
    """The experiment tracker that the training's metrics are also sent to (pipeline/tracking.py)."""
    foreseen: dict[str, float | None] = field(default_factory=dict)
    """In a dry run: the seconds that each stage is expected to take; None where nothing is known."""
    _models: dict[tuple[str, str | None], ModelRef] = field(default_factory=dict)
    _engines: dict[tuple[str, str], Engine] = field(default_factory=dict)
    _scorers: dict[tuple[str, str], RewardModel] = field(default_factory=dict)

    @cached_property
    def constitution(self) -> Constitution:
        """The constitution that the run file names, every principle's source known to the run file."""
        written = read_constitution(self.base / self.config.constitution)
        check_sources(written, self.config.sources)
        return written.constitution

    @cached_property
    def constitution_before(self) -> Constitution | None:
        """The constitution of the labels that were there when this was first asked for; None where that is not known.
        Stages ask before they are done, so that the last of them still knows."""
        stamp = self.folder.stamp("label")
        return stamp.used.constitution if stamp and stamp.used else None

    @cached_property
    def train_prompts(self) -> RecordSource[Prompt]:
        """Prompts to generate and train on, checked to be disjoint from the held-out ones; read anew when iterated."""
        assert self.config.prompts.train is not None, "with imported pairs there are no training prompts"
        prompts = prompt_source(located(self.base, self.config.prompts.train))
        self.train_count = check_prompts(prompts)
        check_disjoint(prompts, self.heldout_prompts)
        return prompts

    @cached_property
    def imported_pairs(self) -> RecordSource[Pair]:
        """The pairs that the run file imports, checked to be disjoint from the held-out prompts; read anew when
        iterated."""
        assert self.config.pairs is not None, "this run samples its answers"
        pairs = pair_source(located(self.base, self.config.pairs))
        check_pairs(pairs)
        check_disjoint((pair.prompt for pair in pairs), self.heldout_prompts)
        return pairs

    @cached_property
    def imported_singles(self) -> Iterable[Single]:
        """The single responses that came with them, their prompts checked in the same way."""
        assert self.config.pairs is not None, "this run samples its answers"
        singles = single_source(located(self.base, self.config.pairs))
        check_disjoint((single.prompt for single in singles), self.heldout_prompts)
        return singles

    @cached_property
    def heldout_prompts(self) -> list[Prompt]:
        """Prompts that only behaviour is measured on."""
        return load_prompts(located(self.base, self.config.prompts.heldout))

    def pairs(self) -> RecordFile[Pair]:
        """The run's pairs, read from their file one at a time as often as they are iterated."""
        return RecordFile(self.folder.pairs, Pair, some=True)

    def labels(self) -> RecordFile[Label]:
        """The run's labels, in the same way."""
        return RecordFile(self.folder.labels, Label, some=True)

    def model(self, name: str, revision: str | None = None) -> ModelRef:
        """Resolve a model once. Folders in the run file are relative to it."""
        if (name, revision) not in self._models:
            local = self.base / name
            self._models[name, revision] = resolve_model(str(local) if os.path.isdir(local) else name, revision)
        return self._models[name, revision]

    @property
    def reference(self) -> ModelRef:
        """The policy before training."""
        return self.model(self.config.model, self.config.revision)

    def engine(self, name: str, model: ModelRef) -> Engine:
        """The open engine of this entry and model; opened now if need be, after closing any other."""
        if (name, model.revision) not in self._engines:
            self.close_engines()
            self.console.say(f"  loading {model.name} on engine `{name}`")
            self._engines[name, model.revision] = open_engine(name, self.config.engines[name], model)
        return self._engines[name, model.revision]

    def reward_model(self, name: str, settings: RewardModelJudge, model: ModelRef) -> RewardModel:
        """The open reward model of this judge; opened now if need be, after closing any other model."""
        if (name, model.revision) not in self._scorers:
            self.close_engines()
            self.console.say(f"  loading {model.name} for judge `{name}`")
            self._scorers[name, model.revision] = RewardModel(model, settings.dtype, settings.batch_size)
        return self._scorers[name, model.revision]

    def close_engines(self) -> None:
        """Free every open model's memory."""
        while self._engines:
            self._engines.popitem()[1].close()
        while self._scorers:
            self._scorers.popitem()[1].close()

    def judge(self, name: str) -> Judge:
        """The judge of this entry. Its model, if it has one, is loaded at its first vote.

        The run's own judge leaves the principles that name a source to it; any other is asked about all of them.
        """
        if name != self.config.judge:
            return self.judge_alone(name, self.constitution)
        return open_panel(name, self.constitution, self.config.sources, self.judge_alone)

    @cached_property
    def calibration(self) -> Applied | None:
        """What the entries of `judges` that label this run name as their calibration; None where none does."""
        return self.calibration_of(self.judge(self.config.judge))

    def calibration_of(self, judge: Judge) -> Applied | None:
        """What the entries of `judges` behind this judge name as their calibration; None where none does."""
        return run_calibration(judge, self.constitution, self.config.judges, self.base)

    def judge_alone(self, name: str, constitution: Constitution) -> Judge:
        """The judge of this entry, asked about this constitution's principles whatever their sources."""
        settings = self.config.judges[name]
        if isinstance(settings, RecordedJudge):
            settings = settings.model_copy(update={"file": str(self.base / settings.file)})
        if isinstance(settings, RewardModelJudge):
            scorer = self.model(settings.model, settings.revision)
            return open_judge(
                name, settings, constitution, scorer, scorer=lambda: self.reward_model(name, settings, scorer)
            )
        if not isinstance(settings, LlmJudge):
            return open_judge(name, settings, constitution)
        model = self.judges_model(settings)
        return open_judge(name, settings, constitution, model, lambda: self.engine(settings.engine, model), self.base)

    def judges_model(self, settings: LlmJudge) -> ModelRef:
        """The model of an llm judge: resolved, or behind its server."""
        engine = self.config.engines[settings.engine]
        if isinstance(engine, OpenAiEngine):
            return served_model(settings.model, engine, settings.revision)
        return self.model(settings.model, settings.revision)

    def sample_plan(self, model: ModelRef, samples: int, sampling: Sampling) -> SamplePlan:
        """How `model` is sampled in this run."""
        engine = self.config.engines[self.config.engine]
        return SamplePlan(
            sampler=sampler_digest(model, engine, sampling),
            samples=samples,
            sampling=sampling,
            seed=self.config.seed,
            prompts_per_batch=self.config.generate.prompts_per_batch,
        )

    def sample_store(self) -> Store[SampleSet]:
        """The run's answers."""
        return Store(self._store_path(self.folder.samples), SampleSet, read_only=self._leaves_no_trace)

    def vote_store(self) -> Store[Vote]:
        """The run's votes."""
        return Store(self._store_path(self.folder.votes), Vote, read_only=self._leaves_no_trace)

    def same_votes(self, store: Store[Vote], stage: str = "judge") -> bool:
        """Whether this is the very store that the stage filled, and not one that was put in its place."""
        stamp = self.folder.stamp(stage)
        return stamp is None or stamp.left.get(VOTES_STORE) in (None, store.identity)

    @contextmanager
    def judged_votes(self) -> Iterator[Store[Vote]]:
        """The run's votes, for who only reads them. Raises StoreError if some of them may be missing."""
        with self.vote_store() as store:
            if not self.same_votes(store):
                raise StoreError(
                    f"{store.path}: not the store that `judge` filled for this run, so votes may be missing: run "
                    "`preceptor judge` with this run file, which asks only for those"
                )
            yield store

    @property
    def _leaves_no_trace(self) -> bool:
        return self.dry and not self.measure

    def _store_path(self, path: Path) -> Path:
        """A dry run leaves no trace: a store that is not there yet is opened in memory."""
        return Path(":memory:") if self._leaves_no_trace and not path.exists() else path
