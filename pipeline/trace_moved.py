"""The threads of `preceptor trace` that follow the gradients: `--behaviour ID` and `--response FILE`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from constitution.errors import ConfigError, DataError, Problem
from constitution.read_json import read_record
from constitution.record import Record
from generate.engine import Completion
from generate.records import Message
from pipeline.context import Run
from pipeline.tracing import Followed, Opened, answers_along, opened_recording, opened_trace
from reports.trace.influence import Way, influence
from reports.trace.moved import moved_answer, moved_margin
from reports.trace.records import Moved
from train.metrics import ADDITIVE
from train.records import TrainSingle
from train.session import Session

NOT_ADDITIVE = (
    "an update splits into its principles' shares only where a label is the weighted mean of their votes "
    "(`aggregation: {rule: weighted_mean}`); this run's are not"
)


class Answer(Record):
    """What `--response` reads: a prompt and an answer to it, as one JSON object."""

    prompt: str
    """The user's words."""
    response: str
    """The answer that is asked about."""
    finished: bool = True
    """Whether it ends where the model would have ended its turn."""


def behaviour_moved(run: Run, principle: str) -> Moved:
    """Who moved a principle's margin on the held-out pairs. Raises DataError where that cannot be told."""
    opened = opened_trace(run)
    known = [p for k, p in enumerate(opened.heldout.principles) if not opened.heldout.lean_J_K[:, k].isnan().all()]
    if principle not in known:
        listed = ", ".join(known)
        raise ConfigError([Problem("--behaviour", 1, 1, f"`{principle}`: on the held-out pairs there are: {listed}")])
    parts = _parts(opened, Way(opened.way.steps, [one.gradients_B_C for one in opened.way.found]))
    began_J = opened.way.found[0].h_B
    return moved_margin(opened.heldout, principle, began_J, parts, opened.recorded.head.pairs, run.config.seed)


def response_moved(run: Run, file: Path) -> Moved:
    """Who raised or lowered the log-probability of one answer. Raises ConfigError for a file that is not one."""
    answer = read_record(file, Answer)
    opened = opened_recording(run)
    single = TrainSingle(
        key="asked",
        prompt_id="asked",
        conversation=(Message(role="user", content=answer.prompt),),
        text=answer.response,
        finished=answer.finished,
        p=1.0,
    )
    steps = opened.recorded.kept
    tokens, seen = answers_along(run, opened, [single], steps)
    if not tokens.pairs:
        raise DataError(f"{file}: {tokens.dropped[0].reason}")
    parts = _parts(opened, Way(steps, [one.gradients_B_C for one in seen.found]))
    change = float(seen.found[-1].h_B[0] - seen.found[0].h_B[0])
    what = f"log-probability of the answer in {file.name} (nats)"
    return moved_answer(change, parts, opened.table.principles, opened.recorded.head.pairs, what)


def answers_apart(
    run: Run, opened: Followed, session: Session, prompt: str, trained: Completion, reference: Completion
) -> Moved:
    """Who raised or lowered the log-probability of the first answer relative to the second's: log pi of the one less
    that of the other, its change along the run. Raises DataError where an answer cannot be followed."""
    singles = [
        TrainSingle(
            key=key,
            prompt_id="asked",
            conversation=(Message(role="user", content=prompt),),
            text=one.text,
            finished=one.finish != "length",
            p=1.0,
        )
        for key, one in (("trained", trained), ("reference", reference))
    ]
    steps = opened.recorded.kept
    tokens, seen = answers_along(run, opened, singles, steps, session)
    if tokens.dropped:
        raise DataError(f"the {tokens.dropped[0].key} policy's answer: {tokens.dropped[0].reason}")
    assert [one.pair.key for one in tokens.pairs] == ["trained", "reference"]
    parts_N_K_2 = _parts(opened, Way(steps, [one.gradients_B_C for one in seen.found]))
    h_S_2 = torch.stack([one.h_B for one in seen.found])
    change = float((h_S_2[-1] - h_S_2[0]) @ torch.tensor([1.0, -1.0], dtype=h_S_2.dtype))
    apart_N_K_1 = parts_N_K_2[:, :, :1] - parts_N_K_2[:, :, 1:]
    what = "log-probability of the trained policy's answer relative to the reference's (nats)"
    return moved_answer(change, apart_N_K_1, opened.table.principles, opened.recorded.head.pairs, what)


def _parts(opened: Opened | Followed, way: Way) -> Tensor:
    table = opened.table
    labels = torch.tensor([opened.found.labels[key].p for key in opened.recorded.head.pairs], dtype=torch.float64)
    if ((table.weights_B_K * table.p_B_K).sum(1) - labels).abs().max() > ADDITIVE:
        raise DataError(NOT_ADDITIVE)
    return influence(opened.played, way, table)
