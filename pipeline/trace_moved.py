"""The threads of `preceptor trace` that follow the gradients: `--behaviour ID` and `--response FILE`."""

from __future__ import annotations

from collections.abc import Sequence
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
from train.heldout import Along
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
    known = told_of(opened)
    if principle not in known:
        listed = ", ".join(known)
        raise ConfigError([Problem("--behaviour", 0, 1, f"`{principle}`: on the held-out pairs there are: {listed}")])
    return behaviours_moved(run, opened, [principle])[principle]


def told_of(opened: Opened) -> list[str]:
    """The principles that have an opinion on some held-out pair."""
    lean_J_K = opened.heldout.lean_J_K
    return [one for k, one in enumerate(opened.heldout.principles) if not lean_J_K[:, k].isnan().all()]


def behaviours_moved(run: Run, opened: Opened, principles: Sequence[str]) -> dict[str, Moved]:
    """Who moved the margin of each of these principles on the held-out pairs."""
    parts = _parts(opened, Way(opened.way.steps, [one.gradients_B_C for one in opened.way.found]))
    began_J, pairs = opened.way.found[0].h_B, opened.recorded.head.pairs
    return {one: moved_margin(opened.heldout, one, began_J, parts, pairs, run.config.seed) for one in principles}


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
    tokens, seen = answers_along(run, opened, [single], opened.recorded.kept)
    if not tokens.pairs:
        raise DataError(f"{file}: {tokens.dropped[0].reason}")
    (found,) = answers_moved(opened, seen, [f"log-probability of the answer in {file.name} (nats)"])
    return found


def answers_moved(opened: Opened | Followed, seen: Along, names: Sequence[str]) -> list[Moved]:
    """Who raised or lowered the log-probability of each of the answers that were followed."""
    parts_N_K_A = _parts(opened, Way(seen.steps, [one.gradients_B_C for one in seen.found]))
    change_A = seen.found[-1].h_B - seen.found[0].h_B
    pairs, principles = opened.recorded.head.pairs, opened.table.principles
    return [
        moved_answer(float(change_A[at]), parts_N_K_A[:, :, at : at + 1], principles, pairs, name)
        for at, name in enumerate(names)
    ]


def additive(opened: Opened | Followed) -> bool:
    """Whether every label is the weighted mean of its principles' votes, so that an update splits into their shares."""
    table = opened.table
    labels = torch.tensor([opened.found.labels[key].p for key in opened.recorded.head.pairs], dtype=torch.float64)
    return not ((table.weights_B_K * table.p_B_K).sum(1) - labels).abs().max() > ADDITIVE


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
        raise DataError(f"the {tokens.dropped[0].pair.key} policy's answer: {tokens.dropped[0].reason}")
    assert [one.pair.key for one in tokens.pairs] == ["trained", "reference"]
    parts_N_K_2 = _parts(opened, Way(steps, [one.gradients_B_C for one in seen.found]))
    h_S_2 = torch.stack([one.h_B for one in seen.found])
    change = float((h_S_2[-1] - h_S_2[0]) @ torch.tensor([1.0, -1.0], dtype=h_S_2.dtype))
    apart_N_K_1 = parts_N_K_2[:, :, :1] - parts_N_K_2[:, :, 1:]
    what = "log-probability of the trained policy's answer relative to the reference's (nats)"
    return moved_answer(change, apart_N_K_1, opened.table.principles, opened.recorded.head.pairs, what)


def _parts(opened: Opened | Followed, way: Way) -> Tensor:
    if not additive(opened):
        raise DataError(NOT_ADDITIVE)
    return influence(opened.played, way, opened.table)
