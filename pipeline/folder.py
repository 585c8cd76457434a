"""The run folder: where every artefact is, who is working in it, and what each finished stage was made from."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pydantic import Field

from constitution.errors import StoreError
from constitution.files import write_atomically
from constitution.record import Record
from pipeline.used import Used

WORKING_STAGES = ("generate", "judge", "audit", "second-opinion", "label", "train", "behaviour", "trace")
"""In the order in which they run; what they leave, `report` shows."""
REPORT_DATA = (
    "90-report.json",
    "behaviour.csv",
    "labels.csv",
    "decided.csv",
    "conflicts.csv",
    "training.csv",
    "agreement.csv",
)
"""The report as data: what every report writes beside its page."""

VOTES = "30-votes.sqlite"
WRITTEN_TO = re.compile(r".*\.sqlite(-\w+)?|metrics\.jsonl|\.lock")
"""Files that are not replaced as a whole: stores and what SQLite puts beside them, the metrics, the lock."""
_INSTEAD = "name that store as `votes` in the run file, "


class Stamp(Record):
    """What a stage was made from when it last finished. Equal inputs and present outputs mean: nothing to do."""

    stage: str
    """The stage's name."""
    inputs: dict[str, str]
    """Digest of every input, by a name that can be printed as the reason for doing the stage again."""
    seconds: float
    """Wall-clock time of the last execution that computed something."""
    peak_mib: int
    """Peak memory of the process when the stage ended, in MiB."""
    started: str
    """When that execution began, in UTC (ISO 8601)."""
    finished: str
    """When it ended."""
    summary: tuple[str, ...] = ()
    """What the stage said at its end."""
    left: dict[str, str] = Field(default={})
    """Digest of each file that the stage may build on next time, by its name, and what else it recognises then."""
    used: Used | None = None
    """The settings that it was made with; None where an older version made it."""


class RunFolder:
    """Paths inside runs/<name>/. The numbers are the order of the stages."""

    def __init__(self, root: Path, shared_votes: Path | None = None) -> None:
        self.root = root
        self.config = root / "config.resolved.json"
        self.prompts = root / "10-prompts.jsonl"
        self.samples = root / "20-samples.sqlite"
        self.pairs = root / "20-pairs.jsonl"
        self.singles = root / "20-singles.jsonl"
        self.pair_counts = root / "20-counts.json"
        self.votes = shared_votes or root / VOTES
        self.vote_counts = root / "30-votes.json"
        self.agreement = root / "30-second-opinion.json"
        self.audit = root / "35-audit.json"
        self.audit_page = root / "35-audit.html"
        self.paces = root / "30-pace.json"
        self.comparison = root / "31-compare-judges.json"
        self.comparison_page = root / "31-compare-judges.html"
        self.labels = root / "40-labels.jsonl"
        self.preferences = root / "40-preferences.parquet"
        self.policy = root / "50-policy"
        self.recording = root / "50-recording"
        self.references = root / "50-references.sqlite"
        self.training = root / "50-training.json"
        self.metrics = root / "metrics.jsonl"
        self.behaviour = root / "60-behaviour.json"
        self.comparisons = root / "60-comparisons.jsonl"
        self.trace = root / "65-trace.json"
        self.retrained = root / "70-ablation.sqlite"
        self.ablation = root / "70-ablation.json"
        self.ablation_page = root / "70-ablation.html"
        self.ablation_table = root / "70-ablation.csv"
        self.report = root / "90-report.html"
        self.report_data = [root / name for name in REPORT_DATA]
        self.tasks = root / ".tasks"
        self._stamps = root / ".stamps"
        self._lock = root / ".lock"
        self._made: list[Path] = []

    def create(self) -> None:
        """Make the folder. Raises StoreError if it cannot be written to, or is a link out of the folder of all runs."""
        self._check_links()
        folders = (self._stamps, *self._stamps.parents, *self.votes.parents)
        try:
            self._made += [folder for folder in folders if not folder.exists()]
            self._stamps.mkdir(parents=True, exist_ok=True)
            self.votes.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.root}: cannot make the run folder: {error.strerror}") from error

    def _check_links(self) -> None:
        """A stage replaces what it finds in its folder, which must not be somebody else's. Where the folder of all runs
        is itself is up to the user, and so is where `votes` are. Most files are replaced by a rename, whatever they
        link to; stores, the metrics and the lock are written to where they are."""
        runs = Path(os.path.realpath(self.root.parent))
        inside = (one for one in self.root.glob("*") if not one.is_file() or WRITTEN_TO.fullmatch(one.name))
        for path in (self.root, *inside):
            place = Path(os.path.realpath(path))
            if not place.is_relative_to(runs):
                raise StoreError(
                    f"{path}: a link to {place}, which is outside {self.root.parent}; nothing was written. Remove "
                    f"the link, {_INSTEAD if path.name == VOTES else ''}or give `--runs` the folder that is to hold "
                    "the runs."
                )

    def stamp(self, stage: str) -> Stamp | None:
        """The stage's stamp; None if it never finished or its stamp cannot be read (then it is done again)."""
        try:
            return Stamp.model_validate_json((self._stamps / f"{stage}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def write_stamp(self, stamp: Stamp) -> None:
        """Record that a stage is finished: the last thing that the stage does."""
        write_atomically(self._stamps / f"{stamp.stage}.json", stamp.model_dump_json(indent=2) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process. The kernel frees the lock of a process that died, however it died. A folder
        that `create` made and nobody put anything in is taken away at the end.

        Raises StoreError if another live process holds it, or something else stands where its file is.
        """
        with self._locked_file() as stream:
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
            self._remove_unfinished()
            try:
                yield
            finally:
                self._remove_unused()

    def _locked_file(self) -> IO[str]:
        """The lock's file, open and held. Another process may take an unused folder away between the file's opening and
        its locking: then there is another file to lock, or none."""
        while True:
            if os.path.lexists(self._lock) and not self._lock.is_file():
                raise StoreError(f"{self._lock}: this is no file, so the run folder cannot be locked; move it away")
            with suppress(FileNotFoundError):
                stream = self._lock.open("a+", encoding="ascii")
                if self._hold(stream):
                    return stream
            self.create()

    def _hold(self, stream: IO[str]) -> bool:
        """Lock it. False, and closed, if the name is not that file's any more."""
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            with stream:
                stream.seek(0)
                holder = stream.read().strip() or "unknown"
            raise StoreError(
                f"{self.root}: process {holder} is working in this run folder; wait for it or use --name"
            ) from error
        with suppress(FileNotFoundError):
            if os.path.samestat(self._lock.stat(), os.fstat(stream.fileno())):
                return True
        stream.close()
        return False

    def _remove_unused(self) -> None:
        """What `create` made, if it is as `create` left it."""
        inside = {path for folder in (self.root, self._stamps) for path in folder.glob("*")}
        if self.root not in self._made or inside - {self._lock, self._stamps}:
            return
        self._lock.unlink(missing_ok=True)
        for path in self._made:
            with suppress(OSError):
                path.rmdir()

    def _remove_unfinished(self) -> None:
        """What killed processes left half written: nobody else writes while this process holds the lock."""
        for folder in (self.root, self._stamps):
            for file in folder.glob(".*.tmp*"):
                file.unlink(missing_ok=True)


def changed_inputs(stamp: Stamp, inputs: Mapping[str, str]) -> list[str]:
    """The names of inputs that are new, gone or different since the stamp, in a stable order."""
    names = list(inputs) + [name for name in stamp.inputs if name not in inputs]
    return [name for name in names if stamp.inputs.get(name) != inputs.get(name)]
