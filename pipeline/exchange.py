"""A run whose constitution is to be exchanged for another: what it has, read under either. Asks and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from constitution.errors import DataError
from constitution.files import RecordFile
from constitution.model import Principle
from generate.records import Pair
from judge.ask import stored_votes
from judge.audit.probes import with_principles
from judge.calibration import PrincipleCalibration
from judge.labels import Missing, Preference, view
from judge.records import Label
from judge.relabelled import Carried, carry, kept_principles
from pipeline.context import Run
from pipeline.invoked import command
from pipeline.judged import other_judge
from pipeline.labelled_by import hint
from pipeline.stage_label import Labelled


class Known(NamedTuple):
    """A pair, its label under the old constitution, and what is known of it under the new one."""

    pair: Pair
    label: Label
    carried: Carried


@dataclass(frozen=True)
class Exchange:
    """One run under two constitutions: `old`, of which it has votes and labels, and `new`."""

    old: Run
    new: Run

    @cached_property
    def asked_alike(self) -> dict[str, str]:
        """Principles whose votes hold: id in the new constitution -> id in the old one."""
        return kept_principles(self.old.constitution, self.new.constitution)

    @cached_property
    def kept(self) -> dict[str, str]:
        """Of these, the ones whose shares hold too: a calibration goes by the id, so that a new name can lose it."""
        return {
            i: before
            for i, before in self.asked_alike.items()
            if _calibration(self.new, i) == _calibration(self.old, before)
        }

    def labels(self) -> Iterator[Labelled]:
        """The run's pairs with its labels. Raises DataError where these are not of the old constitution and judge."""
        calibration = self.old.calibration.digest if self.old.calibration else None
        made_by = (self.old.constitution.key, self.old.judge(self.old.config.judge).digest, calibration)
        for pair, label in zip(self.old.pairs(), RecordFile(self.old.folder.labels, Label), strict=True):
            if label.judge != made_by[1]:
                raise DataError(f"{other_judge(self.old, str(self.old.folder.labels))}{hint(self.old)}")
            if (label.pair_key, label.constitution, label.judge, label.calibration) != (pair.key, *made_by):
                raise DataError(
                    f"{self.old.folder.labels} is not what {self.old.config.constitution} makes of this run's votes: "
                    "run `preceptor judge` and `preceptor label` with that constitution in the run file first"
                )
            yield pair, label

    def known(self) -> Iterator[Known]:
        """Every pair. The store is read for principles whose votes are not all among the label's shares."""
        wanted = [p for p in self.new.constitution.principles if not self._holds(p)]
        asked, judge = with_principles(self.new.constitution, wanted), self.new.judge(self.new.config.judge)
        with self.new.vote_store() as store:
            given = stored_votes(self.new.pairs(), asked, judge, store)
            for (pair, label), (_, votes) in zip(self.labels(), given, strict=True):
                found: dict[str, Preference | Missing] = {
                    p.id: view(votes[p.id], p, judge, self.new.calibration) for p in wanted if p.id in votes
                }
                yield Known(pair, label, carry(pair, label, self.new.constitution, self.kept, found))

    def loses(self, principle: Principle, pair: Pair) -> bool:
        """Whether the new constitution has no use for an old principle's votes on a pair."""
        successors = (p for p in self.new.constitution.principles if self.asked_alike.get(p.id) == principle.id)
        return not any(p.applies_to(pair.prompt.tags) for p in successors)

    def _holds(self, principle: Principle) -> bool:
        """Whether its votes are the old ones on the very same pairs."""
        old = {p.id: p for p in self.old.constitution.principles}.get(self.kept.get(principle.id, ""))
        return old is not None and set(old.scope) == set(principle.scope)


def _calibration(run: Run, principle: str) -> PrincipleCalibration | None:
    return run.calibration.entries.get(principle) if run.calibration else None


def exchange(run: Run, old: Path, new: Path) -> Exchange:
    """The run under either constitution. Raises DataError if it has no labels to compare."""
    for path in (run.folder.pairs, run.folder.votes, run.folder.labels):
        if not path.exists():
            raise DataError(f"{path} is not there: run `{command(run, 'run')}` first")
    one, other = (
        replace(run, config=run.config.model_copy(update={"constitution": str(path.resolve())})) for path in (old, new)
    )
    return Exchange(one, other)
