"""Memory that runs out in training: one sentence with advice, and what was done stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import pipeline.cli
import train.loop
from constitution.errors import ModelError
from generate.engine import ModelRef
from generate.memory import is_out_of_memory
from tests.test_train_resume import SETTINGS, STEPS, contents, model, run  # noqa: F401  (a fixture)

CHECKPOINT = SETTINGS.checkpoint_every
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported later"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("HIP out of memory. Tried to allocate 20.00 MiB (GPU 0; 15.98 GiB total capacity)"), True),
        (RuntimeError("HIP error: out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB, max allowed: 18.13 GB)"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("not enough memory: you tried to allocate 8 bytes."), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), False),
        (ValueError("the answer speaks of a machine that is out of memory"), False),
    ],
)
def test_what_says_that_memory_ran_out(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA error: out of memory")])
def test_elsewhere_it_is_one_sentence_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def exhausted() -> None:
        raise error

    monkeypatch.setattr(pipeline.cli, "app", exhausted)
    with pytest.raises(SystemExit) as ended:
        pipeline.cli.answer()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("Memory ran out: ")


def exhaust_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """From this step on torch fails to allocate."""
    backward, calls = train.loop.backward, 0

    def greedy(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= call:
            torch.empty(2**60)
        return backward(*arguments, **named)

    monkeypatch.setattr(train.loop, "backward", greedy)


def test_it_stops_with_advice_and_goes_on_from_the_checkpoint(
    tmp_path: Path,
    model: ModelRef,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    run(undisturbed, model)
    with monkeypatch.context() as patched:
        exhaust_at(patched, 7)
        said = (
            rf"ran out of memory: set `train.row_tokens` below {SETTINGS.row_tokens}, .* the last checkpoint are kept"
        )
        with pytest.raises(ModelError, match=said):
            run(disturbed, model)
    kept = (disturbed / "metrics.jsonl").read_bytes().splitlines()[:CHECKPOINT]
    summary = run(disturbed, model, settings=SETTINGS.model_copy(update={"row_tokens": 100}))
    assert summary.steps == STEPS
    # Steps done in smaller rows would be rounded otherwise: the first ones were not done again.
    assert (disturbed / "metrics.jsonl").read_bytes().splitlines()[:CHECKPOINT] == kept
    assert contents(disturbed).keys() == contents(undisturbed).keys()


def test_the_same_run_file_ends_in_the_same_policy(
    tmp_path: Path,
    model: ModelRef,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where memory ran out because of somebody else: nothing was halved, so nothing is rounded otherwise."""
    run(tmp_path / "undisturbed", model)
    with monkeypatch.context() as patched:
        exhaust_at(patched, 6)
        with pytest.raises(ModelError, match="ran out of memory"):
            run(tmp_path / "disturbed", model)
    run(tmp_path / "disturbed", model)
    assert contents(tmp_path / "disturbed") == contents(tmp_path / "undisturbed")
