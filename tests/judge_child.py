"""A process that judges and is killed on the way: `python -m tests.judge_child STORE BATCHES WHEN`.

It kills itself with SIGKILL in batch BATCHES, either with the votes in hand but not committed (`asking`) or right after
their commit (`committed`).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from constitution.model import Principle
from constitution.progress import Tick
from constitution.store import Store
from generate.records import Pair
from judge.ask import judge_pairs
from judge.interface import Ask, Judge, Showing
from judge.records import Vote, VoteRequest
from tests.judging import a_constitution, rules_judge, some_pairs

PAIRS, BATCH_PAIRS = 12, 2


class Watched:
    """A real judge, with what it was asked written down."""

    def __init__(self, judge: Judge, batch_pairs: int, die_in_batch: int | None = None) -> None:
        self.name, self.digest = judge.name, judge.digest
        self.batch_pairs = batch_pairs
        self.asked: list[Ask] = []
        self.batches = 0
        self._judge, self._die_in_batch = judge, die_in_batch

    def showings(self, principle: Principle) -> tuple[Showing, ...]:
        """The real judge's."""
        return self._judge.showings(principle)

    def request(self, pair: Pair, principle: Principle, showing: Showing) -> VoteRequest:
        """The real judge's."""
        return self._judge.request(pair, principle, showing)

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """The real judge's."""
        self.batches += 1
        self.asked += asks
        votes = self._judge.vote(asks)
        if self.batches == self._die_in_batch:
            os.kill(os.getpid(), signal.SIGKILL)
        return votes


def main(store_file: str, batches: int, when: str) -> None:
    """Judge until killed."""
    constitution = a_constitution()
    judge = Watched(rules_judge(constitution), BATCH_PAIRS, batches if when == "asking" else None)

    def tick(_: Tick) -> None:
        if when == "committed" and judge.batches == batches:
            os.kill(os.getpid(), signal.SIGKILL)

    with Store(Path(store_file), Vote) as store:
        judge_pairs(some_pairs(PAIRS), constitution, judge, store, tick)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
