"""Both policies of a run on the same prompt, and who made the trained one's answer likelier than the reference's.

Both answer through transformers, whatever the run's engine is, so that the two models are open side by side; every
prompt is a conversation of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from constitution.errors import DataError, PreceptorError
from constitution.record import Record
from generate.engine import Completion, Engine, Sampling
from generate.open import open_engine
from generate.records import Message
from generate.settings import TransformersEngine
from pipeline.context import Run
from pipeline.stage import check_made
from reports.trace.records import Moved

if TYPE_CHECKING:
    from pipeline.tracing import Followed
    from train.session import Session

SAME = "both policies gave the same answer, so there is no difference to trace"
NOT_WANTED = "not asked for"


class Said(Record):
    """One policy's answer."""

    text: str
    """What it said, as it came."""
    finish: str
    """`stop`: it ended there. `length`: it was cut."""
    tokens: int
    """Tokens generated."""


class Exchange(Record):
    """One prompt and what came of it."""

    prompt: str
    """The user's words."""
    sampling: Sampling
    """How both answers were drawn."""
    seed: int
    """The seed of both."""
    reference: Said
    """The policy before training."""
    trained: Said
    """The policy after it."""
    trace: Moved | None
    """Who moved log pi(trained's answer) - log pi(reference's answer), in nats, along the training."""
    untraced: str | None
    """Why there is no trace; None where there is one."""


class Chat:
    """The two policies, opened, and the run's recording as soon as it is asked for."""

    def __init__(self, run: Run, policies: tuple[Engine, Engine], sampling: Sampling, seed: int, traced: bool) -> None:
        self._run = run
        self._reference, self._trained = policies
        self._sampling = sampling
        self._seed = seed
        self._untraced: str | None = None if traced else NOT_WANTED
        self._opened: tuple[Followed, Session] | None = None

    def ask(self, prompt: str) -> Exchange:
        """The same prompt and seed give the same exchange. Raises DataError if it does not fit into the model."""
        reference, trained = (self._answer(engine, prompt) for engine in (self._reference, self._trained))
        trace, untraced = self._trace(prompt, trained, reference)
        return Exchange(
            prompt=prompt,
            sampling=self._sampling,
            seed=self._seed,
            reference=_said(reference),
            trained=_said(trained),
            trace=trace,
            untraced=untraced,
        )

    def _answer(self, engine: Engine, prompt: str) -> Completion:
        conversation = (Message(role="user", content=prompt),)
        return engine.sample([conversation], 1, self._sampling, self._seed)[0][0]

    def _trace(self, prompt: str, trained: Completion, reference: Completion) -> tuple[Moved | None, str | None]:
        if self._untraced:
            return None, self._untraced
        if (trained.text, trained.finish) == (reference.text, reference.finish):
            return None, SAME
        from pipeline.trace_moved import answers_apart

        opened = self._recording()
        if opened is None:
            return None, self._untraced
        try:
            return answers_apart(self._run, *opened, prompt, trained, reference), None
        except DataError as error:
            return None, str(error)

    def _recording(self) -> tuple[Followed, Session] | None:
        """Opened once; where it cannot be, the reason is kept, and every later exchange says it too."""
        from pipeline.tracing import opened_recording
        from pipeline.trained_session import trained_session

        if self._opened is None:
            try:
                followed = opened_recording(self._run)
                self._opened = followed, trained_session(self._run, followed.found)
            except PreceptorError as error:
                self._untraced = str(error)
        return self._opened


def _said(answer: Completion) -> Said:
    return Said(text=answer.text, finish=answer.finish, tokens=answer.tokens)


@contextmanager
def opened_chat(run: Run, seed: int | None, temperature: float | None, traced: bool) -> Iterator[Chat]:
    """Raises DataError if the run is not trained yet, ModelError if a model cannot be loaded."""
    check_made(run, [run.folder.policy / "model.safetensors"], "chat", "train")
    sampling = run.config.behaviour.sampling or run.config.generate.sampling
    if temperature is not None:
        sampling = sampling.model_copy(update={"temperature": temperature})
    engines: list[Engine] = []
    try:
        for model in (run.reference, run.model(str(run.folder.policy.resolve()))):
            run.console.say(f"  loading {model.name}")
            engines.append(open_engine("chat", _settings(run), model))
        yield Chat(run, (engines[0], engines[1]), sampling, run.config.seed if seed is None else seed, traced)
    finally:
        for engine in engines:
            engine.close()


def _settings(run: Run) -> TransformersEngine:
    settings = run.config.engines[run.config.engine]
    return settings if isinstance(settings, TransformersEngine) else TransformersEngine(type="transformers")
