"""A judge over a server that fails in every way there is: a failed vote with its reason, a retry, or a stop that loses
nothing; and the key is nowhere."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from constitution.errors import ConfigError, JudgeError, ModelError
from constitution.store import Store
from generate.engine import Drawn, Engine
from generate.open import open_engine
from generate.records import Message
from generate.served import served_model
from generate.server_failures import MAX_BODY_BYTES
from generate.settings import OpenAiEngine
from generate.strict_schema import LIMITS
from judge.ask import judge_pairs
from judge.records import Vote
from judge.verdict import RATIONALE_CHARS, Verdict
from pipeline.run import run_pipeline
from tests.runs import write_run
from tests.serving import CANARY, Received, Reply, canary_code, completion, free_port, scripted
from tests.test_llm_judge import CONSTITUTION, PAIRS, judge_on, votes_of

pytestmark = pytest.mark.usefixtures("canary_key")
VERDICT = '{"rationale":"It is shorter.","verdict":"A"}'
QUESTION = [(Message(role="user", content="A or B?"),)]


def engine_at(url: str, **others: object) -> Engine:
    fields = {"type": "openai", "base_url": url, "max_retries": 0, "timeout_seconds": 5, "concurrency": 2} | others
    chosen = OpenAiEngine.model_validate(fields)
    return open_engine("remote", chosen, served_model("some-model", chosen, None))


def letters(a: float = 0.7, b: float = 0.2) -> Reply:
    """One token with log-probabilities."""
    top = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in (("A", a), ("B", b))]
    return completion("A", "length", logprobs={"content": [top[0] | {"top_logprobs": top}], "refusal": None})


def after_canary(answer: Callable[[Received], Reply]) -> Callable[[Received], Reply]:
    """A server that constrains the canary's answer, and answers everything else by `answer`."""
    return lambda request: completion(code) if (code := canary_code(request)) else answer(request)


def error(status: int, message: str = "no", code: str | None = None) -> Reply:
    return Reply({"error": {"message": message, "code": code}}, status)


# One question in eight fails in this way, every time it is asked; the others are answered.
ONE_FAILS = [
    (error(500), "server_error"),
    (error(503, "<b>over</b>loaded"), "server_error"),
    (error(429, "slow down"), "busy"),
    (completion("x")._replace(breaks="reset"), "connection_lost"),
    (completion("x")._replace(breaks="half"), "connection_lost"),
    (completion("x")._replace(drip_seconds=0.3), "timeout"),
    (Reply("<html>gateway</html>"), "bad_answer"),
    (Reply("not json", content_type="application/json"), "bad_answer"),
    (Reply('{"choices": [{"index": 0}]}', content_type="application/json"), "bad_answer"),
    (Reply({"choices": []}), "bad_answer"),
    (Reply("x" * (MAX_BODY_BYTES + 1), content_type="application/json"), "bad_answer"),
    (error(400, "This model's maximum context length is 1024 tokens."), "too_long"),
    (error(400, "no", "context_length_exceeded"), "too_long"),
    (error(400, "filtered", "content_filter"), "refused"),
    (completion(None, "content_filter"), "refused"),
    (completion(VERDICT, "tool_calls"), "refused"),
    (completion(""), "empty"),
    (completion(None), "empty"),
    (completion("x" * 10**6), "oversized"),
    (completion("I'm sorry, I can't do that."), "refused"),
    (completion("The first one."), "prose"),
    (completion(f"```json\n{VERDICT}\n```"), "code_fence"),
    (completion(VERDICT * 2), "two_verdicts"),
    (completion(VERDICT[:-5], "length"), "truncated"),
    (completion('{"rationale":"x","verdict":"\u200bA"}'), "off_menu"),
    (completion("\ud83c"), "prose"),
]


@pytest.mark.parametrize(("bad", "reason"), ONE_FAILS)
def test_one_question_that_fails_costs_one_vote(store: Store[Vote], bad: Reply, reason: str) -> None:
    poisoned: list[str] = []

    def answer(request: Received) -> Reply:
        poisoned[:] = poisoned or [request.question]
        return bad if request.question == poisoned[0] else completion(VERDICT)

    with scripted(after_canary(answer)) as server:
        votes = votes_of(judge_on(engine_at(server.url, timeout_seconds=1), readout="reasoned"), store)
        failed = [vote for vote in votes if vote.state != "valid"]
        assert len(votes) == 8
        assert [(vote.state, vote.reason, vote.logit) for vote in failed] == [("failed", reason, None)]
        transport = reason in ("server_error", "busy", "connection_lost", "timeout", "bad_answer")
        more = judge_on(engine_at(server.url, timeout_seconds=1), readout="reasoned")
        assert judge_pairs(PAIRS, CONSTITUTION, more, store).asked == (1 if transport else 0)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, r"refuses the key \(401\): check the environment variable OPENAI_API_KEY"),
        (403, r"refuses the key \(403\): check the environment variable OPENAI_API_KEY"),
        (404, r"does not know the model `some-model`"),
        (400, r"refused a request for `some-model`: 400, bad sk"),
    ],
)
def test_what_no_question_escapes_stops_at_once_and_keeps_the_votes(store: Store[Vote], status: int, said: str) -> None:
    """The key is revoked in mid-run: three answers have come, the fourth request is refused."""
    answered: list[str] = []

    def answer(request: Received) -> Reply:
        if len(answered) == 3:
            return error(status, f"bad sk {CANARY}")
        answered.append(request.question)
        return letters()

    with scripted(answer) as server:
        engine = engine_at(server.url, concurrency=1, max_retries=5)
        with pytest.raises(ModelError, match=said) as stopped:
            votes_of(judge_on(engine), store)
        assert len(server.received) == 4
        assert CANARY not in str(stopped.value)
        answered.clear()
        assert len(store) == 3
    with scripted(lambda request: letters()) as server:
        chosen = judge_on(engine_at(server.url))
        assert len(votes_of(chosen, store)) == 8


def test_a_server_that_dies_loses_no_vote_and_the_same_command_goes_on(store: Store[Vote]) -> None:
    port = free_port()
    given = 0

    def answer(request: Received) -> Reply:
        nonlocal given
        given += 1
        return letters() if given <= 5 else Reply("", 502)

    with scripted(answer, port) as server:
        url = server.url
        count = judge_pairs(PAIRS, CONSTITUTION, judge_on(engine_at(url, concurrency=1)), store)
        assert (count.states, count.to_ask_again) == ({"valid": 5, "failed": 3}, 3)
        with pytest.raises(ModelError, match="refused a request for `some-model`: 502"):
            votes_of(judge_on(engine_at(url)), store)
    with pytest.raises(ModelError, match=f"no server can be reached at {url}: start it"):
        votes_of(judge_on(engine_at(url)), store)
    with scripted(lambda request: letters(), port) as server:
        count = judge_pairs(PAIRS, CONSTITUTION, judge_on(engine_at(url)), store)
    assert (count.asked, count.stored, count.states) == (3, 5, {"valid": 8})


def test_a_batch_of_questions_that_are_all_too_slow_does_not_stop_the_run(store: Store[Vote]) -> None:
    def answer(request: Received) -> Reply:
        if "bread" in request.question:
            time.sleep(0.6)
        return letters()

    with scripted(answer) as server:
        judge = judge_on(engine_at(server.url, timeout_seconds=0.3, concurrency=8), batch_pairs=1)
        count = judge_pairs(PAIRS, CONSTITUTION, judge, store)
    assert (count.states, count.reasons, count.to_ask_again) == ({"failed": 4, "valid": 4}, {"timeout": 4}, 4)


@pytest.mark.timed
def test_a_drip_of_bytes_does_not_hold_a_request_for_ever() -> None:
    with scripted(lambda request: completion(VERDICT)._replace(drip_seconds=0.2)) as server:
        began = time.monotonic()
        found = engine_at(server.url, timeout_seconds=0.5).complete_json(QUESTION, Verdict, 50)[0].failure
        assert time.monotonic() - began < 1.5
    assert found is not None
    assert (found.reason, found.stops) == ("timeout", False)


def test_retry_after_is_heeded(store: Store[Vote]) -> None:
    busy = error(429)._replace(headers=(("retry-after", "0.4"),))
    with scripted(lambda request: busy if len(server.received) == 1 else letters()) as server:
        began = time.monotonic()
        assert engine_at(server.url, max_retries=1).read_choices(QUESTION, ["A", "B"])[0].failure is None
        assert time.monotonic() - began > 0.35


@pytest.mark.parametrize("logprob", ["NaN", "Infinity", "3.5", "1e300"])
def test_numbers_that_are_no_probabilities_are_failures(store: Store[Vote], logprob: str) -> None:
    body = json.dumps(letters().body).replace(str(math.log(0.2)), logprob)
    assert logprob in body
    with scripted(lambda request: Reply(body, content_type="application/json")) as server:
        votes = votes_of(judge_on(engine_at(server.url)), store)
    assert {(vote.state, vote.reason) for vote in votes} == {("failed", "not_a_number")}


@pytest.mark.parametrize(
    "fooling",
    [
        lambda request: completion(VERDICT),  # a model that likes JSON
        lambda request: completion('{"code": "free"}'),  # one that does as it is told
        lambda request: completion("A"),
        lambda request: completion("Blue" if "sea" in request.question else canary_code(request)),  # one of four
    ],
)
def test_the_canary_is_not_fooled(store: Store[Vote], fooling: Callable[[Received], Reply]) -> None:
    with scripted(fooling) as server:
        with pytest.raises(JudgeError, match="engine `remote` does not constrain its answers"):
            votes_of(judge_on(engine_at(server.url), readout="reasoned"), store)
        assert len(server.received) == 4
    assert len(store) == 0


def test_the_schema_is_what_strict_mode_accepts_and_lengths_are_checked_here() -> None:
    def sent(limits: bool) -> dict[str, object]:
        with scripted(lambda request: completion(VERDICT)) as server:
            engine_at(server.url, length_limits=limits).complete_json(QUESTION, Verdict, 50)
        form = server.received[0].body["response_format"]["json_schema"]
        assert (form["name"], form["strict"]) == ("Verdict", True)
        schema: dict[str, object] = form["schema"]
        return schema

    bare = sent(False)
    assert not [word for word in LIMITS if word in json.dumps(bare)]
    assert (bare["required"], bare["additionalProperties"]) == (["rationale", "verdict"], False)
    assert f"At most {RATIONALE_CHARS} characters." in json.dumps(bare)
    assert f'"maxLength": {RATIONALE_CHARS}' in json.dumps(sent(True))


def test_drawn_answers_have_their_own_seeds() -> None:
    with scripted(lambda request: completion(VERDICT)) as server:
        engine_at(server.url, concurrency=1).complete_json(QUESTION * 2, Verdict, 50, Drawn(0.7, (3, 4)))
        engine_at(server.url).complete_json(QUESTION, Verdict, 50)
    asked = [(request.body["temperature"], request.body.get("seed")) for request in server.received]
    assert asked == [(0.7, 3), (0.7, 4), (0, None)]


def test_the_key_is_in_no_file_message_or_log(
    store: Store[Vote], tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that repeats the key in every place it can, and the most talkative logging."""
    caplog.set_level(logging.DEBUG)
    echoes = [error(400, f"{CANARY} ", "content_filter"), completion(f"{CANARY[:10]}"), error(500, CANARY)]
    with scripted(after_canary(lambda request: echoes[len(server.received) % 3])) as server:
        votes = votes_of(judge_on(engine_at(server.url), readout="reasoned"), store)
        assert {vote.state for vote in votes} == {"failed"}
        write_run(tmp_path / "run", "./model")
        run_file = tmp_path / "run" / "run.yaml"
        text = run_file.read_text(encoding="utf-8").replace(
            "judges:\n",
            f'engines: {{embedded: {{type: transformers}}, server: {{type: openai, base_url: "{server.url}"}}}}\n'
            "judges:\n  remote: {kind: llm, engine: server, model: m}\n",
        )
        run_file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"the model folder .* does not exist"):
            run_pipeline(("generate",), run_file, {"judge": "remote"}, (), tmp_path / "runs", False)
    said = capsys.readouterr()
    assert CANARY not in caplog.text + said.out + said.err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
