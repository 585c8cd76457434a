"""What goes between the driver and Ray's actors: tasks and answers, as lines of JSON. A task is a whole batch.

A batch is what is asked and committed together: all the questions about its pairs, or all the samples of its prompts.
So the prefix that they share is computed once, and an actor computes exactly what a process alone would compute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from constitution.errors import ModelError
from constitution.model import Principle
from constitution.record import Record
from generate.engine import ModelRef, Sampling
from generate.records import Pair, Prompt
from generate.sampling import SamplePlan, SampleSet
from judge.ask import Batch
from judge.interface import Ask, Judge, Showing
from judge.records import Order, Vote


class Home(Record):
    """What every actor needs to know of the run."""

    config: str
    """The run's settings as JSON, without the defaults: those of another train.loss would contradict it."""
    base: str
    """The folder that paths in them are relative to."""
    root: str
    """The run folder."""


class JudgeWork(Record):
    """Which judge an actor is to be."""

    home: Home
    """The run."""
    judge: str
    """An entry of `judges`."""
    digest: str
    """The judge's digest in the driver."""
    principles: tuple[Principle, ...]
    """Those that it votes on."""


class Question(Record):
    """One question: its place among the batch's pairs, and its key in the driver."""

    pair: int
    """Which of the task's pairs."""
    principle: str
    """The principle's id."""
    order: Order
    """Which response comes first."""
    replicate: int
    """Which repetition."""
    key: str
    """The vote's key."""


class JudgeTask(Record):
    """A batch's missing questions."""

    pairs: tuple[Pair, ...]
    """What they are about."""
    questions: tuple[Question, ...]
    """In the order in which they are to be asked."""


class JudgeAnswer(Record):
    """What an actor made of a task."""

    votes: tuple[Vote, ...] = ()
    """One a question, or those given before it had to stop."""
    stopped: str | None = None
    """Why the judge cannot go on."""


class SampleWork(Record):
    """What an actor is to sample."""

    home: Home
    """The run."""
    model: ModelRef
    """The weights."""
    plan_sampler: str
    """The sampler's digest in the driver."""
    samples: int
    """Answers to each prompt."""
    sampling: Sampling
    """How they are drawn."""
    seed: int
    """The run's seed."""

    @property
    def plan(self) -> SamplePlan:
        """The plan, but for the size of batches: those come cut."""
        return SamplePlan(self.plan_sampler, self.samples, self.sampling, self.seed, prompts_per_batch=1)


class SampleTask(Record):
    """A batch's prompts without answers."""

    prompts: tuple[Prompt, ...]
    """In the order of the batch, from which its seed is made."""


class SampleAnswer(Record):
    """Their answers, by store key."""

    sets: dict[str, SampleSet] = Field(default={})
    """One a prompt."""
    stopped: str | None = None
    """Why there are none."""


def judge_task(batch: Batch) -> JudgeTask:
    """The batch's missing questions, each pair once."""
    asks = batch.missing
    pairs = {ask.request.pair_key: ask.pair for ask in asks}
    places = {key: place for place, key in enumerate(pairs)}
    return JudgeTask(
        pairs=tuple(pairs.values()),
        questions=tuple(
            Question(
                pair=places[ask.request.pair_key],
                principle=ask.principle.id,
                order=ask.request.order,
                replicate=ask.request.replicate,
                key=ask.request.key,
            )
            for ask in asks
        ),
    )


def asks_of(task: JudgeTask, judge: Judge, principles: Mapping[str, Principle]) -> list[Ask]:
    """The questions as the actor's judge puts them. Raises ModelError if a key is not the driver's."""
    return [_ask(question, task.pairs, judge, principles[question.principle]) for question in task.questions]


def _ask(question: Question, pairs: Sequence[Pair], judge: Judge, principle: Principle) -> Ask:
    pair = pairs[question.pair]
    request = judge.request(pair, principle, Showing(question.order, question.replicate))
    if request.key != question.key:
        raise ModelError(
            f"judge `{judge.name}`, principle `{principle.id}`: an actor would ask another question than this process: "
            "the same versions of preceptor must be installed on every node"
        )
    return Ask(request, pair, principle)
