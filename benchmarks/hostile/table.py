"""All hostile inputs, and what becomes of them."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmarks.hostile import model_files, names, places, records, tables, templates, texts, verdicts, yaml_files
from benchmarks.hostile.case import Case, Outcome, try_case


class Fault(NamedTuple):
    """An input that got through, or that ended in an exception that is not ours."""

    case: Case
    outcome: Outcome


class Result(NamedTuple):
    """Inputs by kind, and those that were not withstood."""

    by_kind: Counter[str]
    faults: list[Fault]

    def count(self, verdict: str) -> int:
        """How many faults are of this verdict."""
        return sum(fault.outcome.verdict == verdict for fault in self.faults)


def all_cases() -> list[Case]:
    """Every input, in a fixed order."""
    kinds = (yaml_files, templates, names, model_files, records, places, tables, verdicts, texts)
    return [case for kind in kinds for case in kind.cases()]


def try_all(cases: list[Case]) -> Result:
    """Each of them in an empty folder of its own."""
    result = Result(Counter(), [])
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            outcome = try_case(case, Path(folder))
        result.by_kind[case.kind] += 1
        if outcome.verdict in ("accepted", "uncaught"):
            result.faults.append(Fault(case, outcome))
    return result
