"""The engine `openai` against a real `vllm serve` with the real small model on the CPU: its numbers, its JSON, its
errors, and a whole judge over it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from constitution.errors import ModelError
from constitution.store import Store
from generate.engine import Completion, Engine, ModelRef, Sampling
from generate.open import open_engine
from generate.records import Message
from generate.served import served_model
from generate.settings import OpenAiEngine, TransformersEngine
from judge.canary import canary_schema
from judge.records import Vote
from judge.verdict import Verdict
from pipeline.run import run_pipeline
from tests.runs import write_run
from tests.serving import SERVED_AS, vllm_server
from tests.test_llm_judge import judge_on, votes_of

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

CANARY = "sk-canary-0123456789"
LETTER = "Answer with the letter A."
CAPITAL = "What is the capital of France?"
QUESTIONS = [LETTER, CAPITAL]
# With the small model, both letters are among the 20 likeliest tokens after these, and only one of them after those.
BOTH_LISTED = [LETTER, "Answer with the letter B.", "Which letter comes first in the alphabet? Say A or B."]
ONE_LISTED = [CAPITAL, "A or B?", "Is A or B better? Answer with one letter only, A or B."]


def chat(*texts: str) -> list[tuple[Message, ...]]:
    return [(Message(role="user", content=text),) for text in texts]


@pytest.fixture(scope="module")
def url(bundled_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with vllm_server(bundled_model.path, tmp_path_factory.mktemp("server") / "log.txt") as address:
        yield address


@pytest.fixture
def server(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    settings = OpenAiEngine(type="openai", base_url=url)
    opened = open_engine("server", settings, served_model(SERVED_AS, settings, None))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def embedded(bundled_model: ModelRef) -> Iterator[Engine]:
    opened = open_engine("embedded", TransformersEngine(type="transformers"), bundled_model)
    yield opened
    opened.close()


def test_read_outs_agree_with_the_embedded_engine(server: Engine, embedded: Engine) -> None:
    ours = embedded.read_choices(chat(*BOTH_LISTED), ["A", "B"])
    theirs = server.read_choices(chat(*BOTH_LISTED), ["A", "B"])
    for one, other in zip(ours, theirs, strict=True):
        assert other.logps[0] - other.logps[1] == pytest.approx(one.logps[0] - one.logps[1], abs=1e-3)
        assert other.missing_mass == pytest.approx(one.missing_mass, abs=1e-3)
        assert other.prompt_tokens == one.prompt_tokens


def test_a_letter_that_the_server_does_not_list_is_bounded(server: Engine, embedded: Engine) -> None:
    """The preference has the sign that all log-probabilities give it, and is never larger."""
    ours = embedded.read_choices(chat(*ONE_LISTED), ["A", "B"])
    theirs = server.read_choices(chat(*ONE_LISTED), ["A", "B"])
    for one, other in zip(ours, theirs, strict=True):
        ratio = (other.logps[0] - other.logps[1]) / (one.logps[0] - one.logps[1])
        assert 0 < ratio < 0.999
        assert max(other.logps) == pytest.approx(max(one.logps), abs=1e-3)


def test_samples_come_with_their_ends_and_counts(server: Engine) -> None:
    sampling = Sampling(max_new_tokens=12)
    found = server.sample(chat(*QUESTIONS), 3, sampling, seed=5)
    assert found == server.sample(chat(*QUESTIONS), 3, sampling, seed=5)
    for answers in found:
        assert len({answer.text for answer in answers}) == 3
        for answer in answers:
            assert answer.tokens == 12 if answer.finish == "length" else 0 < answer.tokens <= 12
    greedy = Sampling(temperature=0, max_new_tokens=12)
    first, second = server.sample(chat(CAPITAL), 2, greedy, seed=0)[0]
    assert first == second == Completion("The capital of France is Paris.", "stop", 8, 37)


def test_json_keeps_to_the_schema(server: Engine) -> None:
    canary = canary_schema("1a2b3c4d")
    for answer in server.complete_json(chat(*QUESTIONS), canary, 48):
        assert answer.finish == "stop"
        canary.model_validate_json(answer.text)
    (answer,) = server.complete_json(chat(LETTER), Verdict, 160)
    assert answer.finish == "stop"
    Verdict.model_validate_json(answer.text)
    (cut,) = server.complete_json(chat(LETTER), Verdict, 4)
    assert (cut.finish, cut.tokens) == ("length", 4)


@pytest.mark.parametrize("readout", ["direct", "reasoned"])
def test_a_judge_asks_the_server(server: Engine, tmp_path: Path, readout: str) -> None:
    with Store(tmp_path / "votes.sqlite", Vote) as store:
        votes = votes_of(judge_on(server, readout=readout), store)
    assert len(votes) == 8
    for vote in votes:
        assert vote.state == "valid"
        assert vote.tokens_in > 40
        if readout == "direct":
            assert vote.logit is not None
            assert abs(vote.logit) < 30
        else:
            assert vote.raw is not None
            sign = 1 if Verdict.model_validate_json(vote.raw).verdict == "A" else -1
            assert vote.logit == pytest.approx(math.log(4) * sign, abs=1e-12)


def test_a_wrong_name_and_a_prompt_too_long_are_said_in_one_sentence(server: Engine, url: str) -> None:
    settings = OpenAiEngine(type="openai", base_url=url)
    wrong = open_engine("server", settings, served_model("no-such-model", settings, None))
    with pytest.raises(ModelError, match=r"does not know the model `no-such-model` \(The model `no-such-model`"):
        wrong.sample(chat(LETTER), 1, Sampling(), seed=0)
    wrong.close()
    too_long, fits = server.read_choices(chat("Tell me about rivers. " * 800, LETTER), ["A", "B"])
    assert too_long.failure is not None
    assert (too_long.failure.reason, too_long.failure.stops, fits.failure) == ("too_long", False, None)
    assert f"refused a request for `{SERVED_AS}`: 400, " in too_long.failure.said


def test_a_runs_second_judge_becomes_the_server_by_its_name(
    url: str, tiny_model: ModelRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVER_KEY", CANARY)
    run_file = write_run(tmp_path, tiny_model.path)
    text = run_file.read_text(encoding="utf-8")
    text = text.replace("judge: reader, pairs: 3", "judge: remote, pairs: 2").replace(
        "judges:\n",
        f"engines:\n  embedded: {{type: transformers}}\n"
        f'  server: {{type: openai, base_url: "{url}", api_key_env: SERVER_KEY}}\n'
        f"judges:\n  remote: {{kind: llm, engine: server, model: {SERVED_AS}, revision: float32}}\n",
    )
    run_file.write_text(text, encoding="utf-8")
    run_pipeline(("generate", "judge", "second-opinion"), run_file, {}, (), tmp_path / "runs", False)
    said = capsys.readouterr().out
    assert "judge `remote` on 2 pairs" in said
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert "SERVER_KEY" in next(p for p in files if p.name == "config.resolved.json").read_text(encoding="utf-8")
    assert CANARY not in said
    assert not [path.name for path in files if CANARY.encode() in path.read_bytes()]
