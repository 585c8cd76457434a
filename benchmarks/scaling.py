"""What 1,000,000 prompts x 16 principles x 2 orders would take on 8, 64 and 512 accelerators.

    python -m benchmarks.scaling [--pairs 400]

Accelerators' rates are published ones of an 8B model (below). What the host does for a vote is measured here, on pairs
and principles of benchmarks/material.py with the template `terse`: votes planned, stored and labelled in a second of
one processor's time, each REPETITIONS times, with median and range; bytes of a vote in the store; tokens of a prompt
(SmolLM2's tokenizer). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from benchmarks.material import pairs as some_pairs
from benchmarks.material import principles
from benchmarks.scaling_model import (
    Accelerator,
    Host,
    Load,
    Work,
    accelerators_that_wait,
    from_two_loads,
    hours,
    store_bytes,
    tokens,
)
from constitution.model import Constitution
from constitution.store import Store
from generate.bundled import resolve_bundled
from generate.engine import ModelRef
from generate.records import Pair
from generate.tokens import encode, load_tokenizer
from judge.ask import batches, finality, plan_votes, stored_votes
from judge.forecast import Encoder, forecast, total_of
from judge.interface import Ask, Judge
from judge.judges import open_judge
from judge.labels import label_pair
from judge.llm import JudgeByModel
from judge.records import Vote
from judge.settings import LlmJudge

COUNTS = (8, 64, 512)
REPETITIONS = 5
# NVIDIA, TensorRT-LLM documentation, "Overview" of performance, Llama 3.1 8B FP8 on one H100 80GB: output tokens/s.
FP8 = from_two_loads(Load(2048, 128, 3495.05), Load(128, 2048, 22003.62))
# BF16 has half the peak of FP8 on an H100 (989 and 1,979 TFLOP/s dense, NVIDIA's data sheet).
# allenai/open-instruct, DPO of a 7B on H100: 1,967 (docs/algorithms/backend_comparison.md) to 5,282 (PR 1466) tokens/s.
FAST = Accelerator(FP8.prefill, FP8.decode, 5282)
SLOW = Accelerator(FP8.prefill / 2, FP8.decode / 2, 1967)


class Measured(NamedTuple):
    """Of this machine and this template."""

    host: Host
    pair_tokens: float
    principle_tokens: float


def measured(model: ModelRef, pairs: int) -> Measured:
    """Plan, store and label the votes on so many pairs under 16 principles in both orders; the medians."""
    constitution, material = sixteen(), some_pairs(pairs, repetition=0)
    settings = LlmJudge(kind="llm", engine="none", model=model.name, template="terse")
    judge = open_judge("judge", settings, constitution, model, _no_engine)
    found = [_once(material, constitution, judge) for _ in range(REPETITIONS)]
    for name, values in zip(Host._fields, zip(*found, strict=True), strict=True):
        print(f"{name}: {statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f}, n = {REPETITIONS})")
    host = Host(*(statistics.median(values) for values in zip(*found, strict=True)))
    return Measured(host, *_tokens(material, constitution, judge, model))


def _once(material: Sequence[Pair], constitution: Constitution, judge: Judge) -> Host:
    """In a new store, on pairs that nobody has computed anything of yet."""
    material = [Pair.model_validate_json(pair.model_dump_json()) for pair in material]
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "votes.sqlite", Vote) as store:
        planned = _seconds(lambda: plan_votes(material, constitution, judge, store))
        votes = [[_vote(ask) for ask in batch.missing] for batch in batches(material, constitution, judge, store, None)]
        lines = [[vote.model_dump_json() for vote in batch] for batch in votes]
        stored = _seconds(lambda: _store(store, lines))
        labelled = _seconds(lambda: _label(material, constitution, judge, store))
        count = len(store)
        store.close()
        size = (Path(folder) / "votes.sqlite").stat().st_size
    return Host(count / planned, count / stored, count / labelled, size / count)


def _vote(ask: Ask) -> Vote:
    """What a judge that reads probabilities would leave."""
    return Vote(request=ask.request, state="valid", logit=0.123 if ask.request.order == "ab" else -0.321, tokens_in=400)


def sixteen() -> Constitution:
    """The benchmark's eight principles, and each once more in other words."""
    eight = principles().principles
    again = [p.model_copy(update={"id": f"{p.id}-too", "text": f"{p.text} So it is here."}) for p in eight]
    return principles().model_copy(update={"principles": (*eight, *again)})


def _no_engine() -> NoReturn:
    raise AssertionError("nothing is asked here")


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _store(store: Store[Vote], batches_of_lines: Sequence[Sequence[str]]) -> None:
    """As the driver does: read what came back, and commit it a batch at a time."""
    for lines in batches_of_lines:
        votes = [Vote.model_validate_json(line) for line in lines]
        store.settle({vote.key: vote for vote in votes}, finality(False))


def _label(material: Sequence[Pair], constitution: Constitution, judge: Judge, store: Store[Vote]) -> None:
    for pair, votes in stored_votes(material, constitution, judge, store):
        assert label_pair(pair, votes, constitution, judge).p is not None


def _tokens(material: Sequence[Pair], constitution: Constitution, judge: Judge, model: ModelRef) -> tuple[float, float]:
    """T and q: a vote's whole prompt has T + q tokens, a pair's distinct tokens in one order are T + K q."""
    tokenizer = load_tokenizer(model)

    def encoder(_: JudgeByModel) -> Encoder:
        return lambda conversations: encode(tokenizer, conversations, 1, 10**9)

    few, k = material[:20], len(constitution.principles)
    with Store(Path(":memory:"), Vote) as empty:
        # One pair a batch: what two pairs have in common (the instructions) is not counted as shared.
        total = total_of([row for p in few for row in forecast(batches([p], constitution, judge, empty, 1), encoder)])
    whole, distinct = total.prompt_tokens / total.calls, total.distinct_tokens / (2 * len(few))
    principle = (distinct - whole) / (k - 1)
    return whole - principle, principle


def work_of(found: Measured, samples: int, pairs_a_prompt: int, generated: float = 0) -> Work:
    """A million prompts of 50 tokens, answers of 150 tokens: as long as the pairs that T was measured on."""
    return Work(
        prompts=1_000_000,
        samples=samples,
        pairs_a_prompt=pairs_a_prompt,
        principles=16,
        orders=2,
        prompt_tokens=50,
        answer_tokens=150,
        pair_tokens=found.pair_tokens,
        principle_tokens=found.principle_tokens,
        generated=generated,
    )


def report(found: Measured, work: Work) -> dict[str, object]:
    """Say it, and give it back."""
    need, host = tokens(work), found.host
    billions = ", ".join(f"{name} {value / 1e9:.2f}" for name, value in need._asdict().items())
    waits = [accelerators_that_wait(work, one, host) for one in (FAST, SLOW)]
    print(f"{work.votes:,} votes; billions of tokens: {billions}")
    print(f"store {store_bytes(work, host) / 1e9:.0f} GB; its writer keeps up with {waits[0]:.0f} to {waits[1]:.0f}")
    rows: dict[str, object] = {}
    for count in COUNTS:
        for name, one in (("fast", FAST), ("slow", SLOW)):
            spent = hours(work, one, count, host)
            parts = ", ".join(f"{part} {value:.2f}" for part, value in spent._asdict().items())
            print(f"  {count:>3} {name}: {spent.total:.1f} h, most of it {spent.slowest} ({parts})")
            rows[f"{count} {name}"] = {part: round(value, 3) for part, value in spent._asdict().items()}
    return {"votes": work.votes, "store_gb": round(store_bytes(work, host) / 1e9, 1), "hours": rows}


def main() -> None:
    """Measure, then print the model's answers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--pairs", type=int, default=400, help="pairs that the host's part is measured on")
    found = measured(resolve_bundled("bundled:smollm2-135m-instruct"), parser.parse_args().pairs)
    print(f"an accelerator, fast: {FAST}; slow: {SLOW}")
    print(f"measured here: {found}")
    direct = report(found, work_of(found, samples=2, pairs_a_prompt=1))
    reasoned = report(found, work_of(found, samples=2, pairs_a_prompt=1, generated=60))
    contrast = report(found, work_of(found, samples=4, pairs_a_prompt=6))
    print(json.dumps({"measured": found.host._asdict(), "direct": direct, "reasoned": reasoned, "contrast": contrast}))


if __name__ == "__main__":
    main()
