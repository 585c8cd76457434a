"""Pairs for the training benchmark: real ones where hh-rlhf is at hand, else generated ones of the same lengths."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path
from typing import NamedTuple

from generate.records import Message
from train.records import TrainPair

HH = Path(__file__).resolve().parent.parent.parent / "shared/data/hh-rlhf/harmless-base-test.jsonl.gz"
TURN = re.compile(r"\n\n(Human|Assistant): ?")
ROLES = {"Human": "user", "Assistant": "assistant"}
# Mean words of the conversation, of the preferred and of the other answer, in the 16 parts of equal size of hh-rlhf's
# harmless-base test set, ordered by the whole pair's length.
HH_WORDS = (
    *((9, 9, 9), (16, 12, 13), (19, 16, 17), (28, 18, 20), (34, 21, 23), (43, 18, 28), (49, 22, 28), (54, 29, 28)),
    *((65, 25, 37), (73, 30, 40), (81, 34, 46), (103, 36, 45), (121, 41, 51), (143, 46, 61), (184, 59, 66)),
    (284, 77, 107),
)
WORDS = "the time people work little house water light small place year hand part right long day way point world"


class Workload(NamedTuple):
    """Pairs with hard labels, and where they are from."""

    pairs: list[TrainPair]
    source: str


def workload(count: int) -> Workload:
    """`count` pairs, evenly over the quantiles of length, in a fixed mixed order."""
    ordered = sorted(_hh_pairs(), key=_characters) if HH.is_file() else _generated(count)
    source = "hh-rlhf harmless-base, test" if HH.is_file() else "generated, with the lengths of hh-rlhf"
    chosen = [ordered[(2 * index + 1) * len(ordered) // (2 * count)] for index in range(count)]
    random.Random(0).shuffle(chosen)  # noqa: S311
    return Workload(chosen, source)


def _characters(pair: TrainPair) -> int:
    return sum(len(message.content) for message in pair.conversation) + len(pair.a) + len(pair.b)


def _hh_pairs() -> list[TrainPair]:
    """The records whose dialogues differ in the last answer only, both answers given and different."""
    with gzip.open(HH, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    found = []
    for index, record in enumerate(records):
        chosen, rejected = (TURN.split(record[name])[1:] for name in ("chosen", "rejected"))
        a, b = chosen[-1].strip(), rejected[-1].strip()
        if chosen[:-1] == rejected[:-1] and chosen[-2] == "Assistant" and a and b and a != b and len(chosen) > 2:
            turns = zip(chosen[:-2:2], chosen[1:-2:2], strict=True)
            messages = tuple(Message(role=ROLES[who], content=said.strip()) for who, said in turns)
            found.append(_pair(f"hh-{index:04d}", messages, a, b))
    return found


def _generated(count: int) -> list[TrainPair]:
    draw = random.Random(1)  # noqa: S311
    pairs = []
    for index in range(count):
        prompt, a, b = (
            " ".join(draw.choices(WORDS.split(), k=words)) for words in HH_WORDS[index * len(HH_WORDS) // count]
        )
        pairs.append(_pair(f"made-{index:04d}", (Message(role="user", content=prompt),), a + ".", b + "!"))
    return pairs


def _pair(key: str, conversation: tuple[Message, ...], a: str, b: str) -> TrainPair:
    return TrainPair(key=key, prompt_id=key, conversation=conversation, a=a, b=b, p=1.0)
