"""The run's own answers to held-out prompts (stage `behaviour`), measured, with the gradient of each: for predictions
about sampled text. Computed once and kept beside the recording."""

from __future__ import annotations

import torch

from constitution.identity import digest
from generate.weights import save_tensors
from judge.by_rules import check_score
from pipeline.context import Run
from pipeline.stage_behaviour import Comparison, read_comparisons
from pipeline.tracing import Opened, answers_along
from reports.features import FEATURES
from reports.trace.answers import Answers
from train.recorded import load_tensors
from train.records import TrainSingle


def answers_seen(run: Run, opened: Opened) -> Answers:
    """Of the trained policy. Raises DataError where stage `behaviour` has not run."""
    rows = [row for row in read_comparisons(run) if row.after.text]
    name = digest("answers", texts=[[row.prompt.key, row.after.text] for row in rows])[:12]
    path = run.folder.recording / f"answers-{name}.safetensors"
    if not path.exists():
        save_tensors({"gradients_A_C": _gradients(run, opened, rows)}, path)
    values = {f"check:{p.id}": _checked(run, rows, place) for place, p in enumerate(run.constitution.principles)}
    measured = {f"feature:{one.id}": _tensor([one.measure(row.after) for row in rows]) for one in FEATURES}
    gradients_A_C = load_tensors(path)["gradients_A_C"]
    return Answers([row.prompt.key for row in rows], {**values, **measured}, gradients_A_C)


def _gradients(run: Run, opened: Opened, rows: list[Comparison]) -> torch.Tensor:
    singles = [as_single(f"answer {place}", row) for place, row in enumerate(rows)]
    tokens, along = answers_along(run, opened, singles, [opened.found.steps])
    (seen,) = along.found
    # An answer that could not be put into tokens pulls nowhere, and its measure counts all the same.
    found = torch.zeros(len(rows), seen.gradients_B_C.shape[1])
    found[[int(one.pair.key.removeprefix("answer ")) for one in tokens.pairs]] = seen.gradients_B_C
    return found


def as_single(key: str, row: Comparison) -> TrainSingle:
    """The trained policy's answer, as what a gradient can be taken of."""
    return TrainSingle(
        key=key,
        prompt_id=row.prompt.id,
        conversation=row.prompt.conversation,
        text=row.after.text,
        finished=row.after.finish != "length",
        p=1.0,
    )


def _checked(run: Run, rows: list[Comparison], place: int) -> torch.Tensor:
    scores = [check_score(run.constitution.principles[place], row.prompt, row.after) for row in rows]
    return _tensor([float("nan") if one is None else one for one in scores])


def _tensor(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)
