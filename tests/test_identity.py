"""Keys: the same everywhere, changed by whatever changes the meaning, and by nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from constitution.identity import canonical_json, digest, seed_from
from constitution.model import Constitution, Example, Principle
from generate.records import Message, Pair, Prompt, Response
from judge.records import VoteRequest
from pipeline.folder import RunFolder, Stamp, changed_inputs

KEYS = """
from constitution.identity import digest, seed_from
from constitution.model import Constitution, Principle
from generate.records import Prompt, Response, Pair
from judge.records import VoteRequest
C = {"type": "words", "max": 9}
p = Principle.model_validate({"id": "a", "text": "Sei kürzer.", "scope": ["x", "y", "z"], "check": C})
q = Prompt(id="1", prompt="Was?", tags=("b", "a"))
r = [Response(prompt_key=q.key, text=t, finish="stop", tokens=3, sampler="s", seed=1, index=0) for t in ("x", "y")]
v = VoteRequest(pair_key="p", principle_key=p.key, judge="j", first="f", second="s", order="ab", rendered="r")
c = Constitution(name="c", principles=(p,))
print(p.key, q.key, r[0].key, Pair(prompt=q, a=r[0], b=r[1]).key, v.key, c.key)
print(digest("x", a={"b": 1.5}), seed_from(1, "a"))
"""


def test_the_same_under_every_hash_seed_locale_and_time_zone() -> None:
    outputs = set()
    for seed, locale, zone in (("0", "C", "UTC"), ("1", "C.UTF-8", "Pacific/Kiritimati"), ("12345", "C", "XYZ+11")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone, "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run([sys.executable, "-c", KEYS], env=environment, capture_output=True, text=True, check=True)
        outputs.add(done.stdout)
    assert len(outputs) == 1


CLOCK = """
import datetime, time
past = {when}
time.time, time.time_ns, time.monotonic = lambda: past, lambda: int(past * 1e9), lambda: past
class Then(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(past, tz)
datetime.datetime = Then
"""


def test_the_same_when_the_clock_goes_back() -> None:
    outputs = set()
    for when in (2e9, 1e9, 0):
        code = CLOCK.format(when=when) + KEYS
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        outputs.add(done.stdout)
    assert len(outputs) == 1


def test_a_stage_stays_done_when_the_clock_goes_back(tmp_path: Path) -> None:
    """A stamp of tomorrow is as good as one of yesterday: only what a stage was made from is compared."""
    folder = RunFolder(tmp_path)
    folder.create()
    inputs = {"pairs": "0123", "seed": "4567"}
    for year in ("2031", "2001"):
        began = f"{year}-01-01T00:00:00+00:00"
        stamp = Stamp(stage="label", inputs=inputs, seconds=-1, peak_mib=1, started=began, finished=began)
        folder.write_stamp(stamp)
        found = folder.stamp("label")
        assert found == stamp
        assert changed_inputs(found, inputs) == []


def test_golden_values() -> None:
    """sha256 of the canonical JSON, worked out with coreutils: a change of these throws every stored vote away."""
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5,null]}'
    assert digest("prompt", text="é") == "7c138362312de6a8a345ea48357a9ce6"
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest("x", value=float("nan"))


def test_seeds_are_31_bits_and_differ() -> None:
    seeds = [seed_from("sample", n) for n in range(2000)]
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert len(set(seeds)) == 2000


TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8).filter(str.strip)
CHECKS = st.sampled_from([None, {"type": "words", "max": 3}, {"type": "words", "max": 4}, {"type": "lists"}])
EXAMPLES = st.lists(st.builds(Example, prompt=TEXT, better=TEXT, worse=TEXT), max_size=2).map(tuple)
MEANING: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "polarity": st.sampled_from(["for", "against"]),
    "question": st.none() | TEXT,
    "check": CHECKS,
    "examples": EXAMPLES,
}
NO_MEANING: dict[str, st.SearchStrategy[Any]] = {
    "id": st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True),
    "weight": st.floats(0, 1e6),
    "axis": TEXT,
    "scope": st.lists(TEXT, max_size=3).map(tuple),
    "source": st.sampled_from([None, "crowd", "experts"]),
}
PRINCIPLES = st.fixed_dictionaries({**MEANING, **NO_MEANING})


@settings(deadline=None)
@given(fields=PRINCIPLES, data=st.data())
def test_what_a_principle_means_is_its_key(fields: dict[str, Any], data: st.DataObject) -> None:
    key = Principle.model_validate(fields).key
    for name, values in MEANING.items():
        other = data.draw(values.filter(lambda value, now=fields[name]: value != now), label=name)
        assert Principle.model_validate(fields | {name: other}).key != key, name
    for name, values in NO_MEANING.items():
        assert Principle.model_validate(fields | {name: data.draw(values, label=name)}).key == key, name


def test_every_field_of_a_principle_is_in_one_of_the_two_lists() -> None:
    assert set(Principle.model_fields) == set(MEANING) | set(NO_MEANING)


def test_the_constitution_key_covers_what_labels_depend_on() -> None:
    a = Principle(id="a", text="x")
    b = Principle(id="b", text="y", weight=2)
    base = Constitution(name="n", principles=(a, b))
    assert base.key == Constitution(name="other", description="d", principles=(b, a)).key
    for change in ({"weight": 3.0}, {"scope": ("t",)}, {"id": "c"}, {"text": "z"}, {"source": "crowd"}):
        changed = b.model_copy(update=change)
        assert Constitution(name="n", principles=(a, changed)).key != base.key, change
    assert Constitution(name="n", principles=(a, b.model_copy(update={"axis": "z"}))).key == base.key
    aggregation = base.aggregation.model_copy(update={"min_coverage": 0.1})
    assert Constitution(name="n", principles=(a, b), aggregation=aggregation).key != base.key


REQUEST: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("pair_key", "principle_key", "judge", "first", "second", "rendered"), TEXT),
    "order": st.sampled_from(["ab", "ba"]),
    "replicate": st.integers(0, 9),
}


@settings(deadline=None)
@given(fields=st.fixed_dictionaries(REQUEST), data=st.data())
def test_everything_asked_is_in_a_votes_key(fields: dict[str, Any], data: st.DataObject) -> None:
    assert set(REQUEST) == set(VoteRequest.model_fields)
    key = VoteRequest(**fields).key
    for name, values in REQUEST.items():
        other = data.draw(values.filter(lambda value, now=fields[name]: value != now), label=name)
        assert VoteRequest(**fields | {name: other}).key != key, name


def response(prompt: Prompt, text: str, index: int = 0) -> Response:
    return Response(prompt_key=prompt.key, text=text, finish="stop", tokens=1, sampler="s", seed=0, index=index)


@settings(deadline=None)
@given(question=TEXT, other=TEXT, a=TEXT, b=TEXT, c=TEXT)
def test_responses_and_pairs(question: str, other: str, a: str, b: str, c: str) -> None:
    assume(len({a, b, c}) == 3 and question != other)
    prompt, elsewhere = Prompt(id="p", prompt=question), Prompt(id="p", prompt=other)
    assert response(prompt, a).key == response(prompt, a, index=3).key
    assert response(prompt, a).key != response(prompt, b).key
    assert response(prompt, a).key != response(elsewhere, a).key
    pair = Pair(prompt=prompt, a=response(prompt, a), b=response(prompt, b))
    assert pair.key != Pair(prompt=prompt, a=response(prompt, b), b=response(prompt, a)).key
    assert pair.key != Pair(prompt=prompt, a=response(prompt, a), b=response(prompt, c)).key
    assert pair.key != Pair(prompt=elsewhere, a=response(elsewhere, a), b=response(elsewhere, b)).key
    renamed = prompt.model_copy(update={"id": "q", "tags": ("t",)})
    assert pair.key == Pair(prompt=renamed, a=response(renamed, a), b=response(renamed, b)).key


def test_the_two_spellings_of_a_prompt_are_one() -> None:
    assert Prompt(id="a", prompt="Hi").key == Prompt(id="b", messages=(Message(role="user", content="Hi"),)).key


@given(left=st.text(max_size=6), right=st.text(max_size=6), cut=st.integers(0, 12))
def test_neighbouring_fields_cannot_be_confused(left: str, right: str, cut: int) -> None:
    both = left + right
    assume(both[:cut] != left)
    assert digest("x", a=left, b=right) != digest("x", a=both[:cut], b=both[cut:])
    assert digest("x", a=left) != digest("y", a=left)
    assert digest("x", a=left) != digest("x", b=left)
    assert digest("x", a=left, b=right) != digest("x", a=[left, right])


def test_a_copy_has_a_key_of_its_own() -> None:
    """Keys are computed once a record; what was computed from the old fields must not pass to a changed copy."""
    prompt = Prompt(id="p", prompt="one")
    fresh = Prompt(id="p", prompt="two").key
    assert prompt.key != fresh
    assert prompt.model_copy(update={"prompt": "two"}).key == fresh
    assert prompt == Prompt(id="p", prompt="one")
