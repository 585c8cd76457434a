"""The pages' blocks of output: what they show is what the program prints, figures and all where these can be had."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.tracing import lines as bench_lines
from judge.forecast import Forecast
from judge.pace import Pace
from pipeline.forecast import _row_lines, _time_of
from reports.trace.fidelity import Fidelity
from tests.doc_blocks import blocks
from tests.test_audit_llmbar import folder, preceptor, write_run  # noqa: F401  (fixture)

FIDELITY = Fidelity(lds=0.9, low=0.8, high=0.95, size_error=0.3, sets=32, behaviours=9, by_behaviour=(0.9,) * 9)


def shown(page: str, start: str) -> list[str]:
    """The lines of the page's block that begins so."""
    (text,) = [block.text for block in blocks() if block.page == page and block.text.startswith(start)]
    return [line.strip() for line in text.splitlines()]


def shape(line: str) -> str:
    """Without its figures."""
    return re.sub(r"-?\d[\d.,]*", "#", line.strip())


def test_the_calibration_of_chatgpts_verdicts(shared_data: Path, folder: Path) -> None:  # noqa: F811
    """Every figure on the page, from the public files."""
    recorded = shared_data / "llmbar" / "recorded" / "ChatGPT" / "natural-vanilla-result.json"
    preceptor("import", "llmbar-verdicts", recorded, "--out", folder / "verdicts")
    preceptor("import", "llmbar", shared_data / "llmbar" / "LLMBar-Natural.json", "--out", folder / "gold")
    law = "name: c\nprinciples:\n  - {id: follows, text: It follows the instruction.}\n"
    judged = "{kind: recorded, file: verdicts, orders: both, confidence: 0.8}"
    run_file = write_run(folder, "stored", law, judged, "{gold: gold}", "verdicts")
    options = ("--judge", "it", "--gold", folder / "gold", "--out", folder / "it.json", "--runs", folder / "runs")
    said = [line.strip() for line in preceptor("calibrate", run_file, *options).splitlines()]
    assert [line for line in shown("docs/calibration.md", "follows: T 0.49") if line not in said] == []


def test_the_forecast_of_a_judges_votes() -> None:
    calls = 960
    row = Forecast("small", "few-vowels", calls, 512_345, 61_020, 153_600, exact=True)
    pace = Pace(votes=2000, tokens_in=0, tokens_out=0, seconds=526.0, loading=False)
    assert shown("docs/judging.md", "few-vowels: 960 calls") == [*_row_lines([row]), _time_of(calls, pace)]


def test_the_benchmark_of_the_trace() -> None:
    """In these words; its figures take an hour."""
    found: Any = SimpleNamespace(
        **dict.fromkeys(("alone", "with_loo", "inside", "ceiling"), FIDELITY),
        completeness=0.002,
        cost=[SimpleNamespace(trace=0.66, leave_one_out=1.33, recording=0.98)] * 3,
        speed=SimpleNamespace(small=56.0, large=410.0, n=5),
        sham=SimpleNamespace(rate=0.01, low=0.003, high=0.036, n=200),
    )
    printed = {shape(line) for line in bench_lines(found, ["a"] * 8)}
    assert [
        line for line in shown("docs/trace-log.md", "what-if from the one run:") if shape(line) not in printed
    ] == []
