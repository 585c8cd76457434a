"""Which calibration acts on a run's preferences: each principle's is the one that its judge's entry names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from constitution.model import Constitution
from judge.calibration import Applied, PrincipleCalibration, applicable, applied, read_calibration
from judge.interface import Judge
from judge.panel import turns
from judge.settings import JudgeSettings


def run_calibration(
    judge: Judge, constitution: Constitution, entries: Mapping[str, JudgeSettings], base: Path
) -> Applied | None:
    """The calibrations of all judges that vote in this run. Paths are relative to `base`.

    Raises DataError for a file that is no calibration, JudgeError for one that was made for another judge.
    """
    found: dict[str, PrincipleCalibration] = {}
    notes: list[str] = []
    named = False
    for turn in turns(judge, constitution):
        file = entries[turn.judge.name].calibration
        if file is None:
            continue
        named = True
        acting, said = applicable(read_calibration(base / file), file, turn.judge, turn.principles)
        found |= acting
        notes += said
    return applied(found, notes) if named else None
