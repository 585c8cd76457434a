"""The engine `openai`: its settings, what a model behind a server is called, and every way in which a server fails.

The real server is in test_engine_openai_vllm.py; the ones here do what vLLM never does.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from openai.types.chat.chat_completion_token_logprob import TopLogprob
from pydantic import ValidationError

from constitution.errors import ConfigError, JudgeError, ModelError
from constitution.store import Store
from generate.engine import Engine, ModelRef, Sampling
from generate.engine_openai import read_top
from generate.open import open_engine
from generate.records import Message
from generate.sampling import sampler_digest
from generate.served import OPENAI_URL, address, served_model
from generate.settings import OpenAiEngine
from judge.labels import label_pair
from judge.records import Vote
from pipeline.load import load_run
from pipeline.run import run_pipeline
from tests.runs import write_run
from tests.serving import CANARY, Received, Reply, canary_code, completion, free_port, scripted
from tests.test_llm_judge import CONSTITUTION, PAIRS, judge_on, votes_of

pytestmark = pytest.mark.usefixtures("canary_key")
QUESTION = [(Message(role="user", content="A or B?"),)]


def settings(url: str | None = "http://127.0.0.1:1/v1", **others: object) -> OpenAiEngine:
    return OpenAiEngine.model_validate({"type": "openai", "base_url": url, "max_retries": 0, **others})


def engine_at(url: str, **others: object) -> Engine:
    chosen = settings(url, **others)
    return open_engine("remote", chosen, served_model("some-model", chosen, None))


def failure(act: Callable[[], object]) -> str:
    """The message of the ModelError that `act` raises; nothing that hangs on it may know the key."""
    with pytest.raises(ModelError) as caught:
        act()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert CANARY not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    message = str(caught.value)
    assert "\n" not in message
    return message


# ------------------------------------------------------------------------------------------------- settings, identity


@pytest.mark.parametrize(
    "url",
    [
        f"https://{CANARY}@api.example.com/v1",
        f"https://user:{CANARY}@api.example.com/v1",
        f"https://api.example.com/v1?key={CANARY}",
        f"https://api.example.com/v1#{CANARY}",
        f"ftp://{CANARY}.example.com",
        f"api.example.com/{CANARY}",
        f"https://[{CANARY}/v1",
        f"https://a.example.com:{CANARY}/v1",
    ],
)
def test_an_address_that_could_hold_a_secret_is_refused_without_repeating_it(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(url)
    assert CANARY not in str(refused.value)
    run_file = write_run(tmp_path, "./model")
    with run_file.open("a", encoding="utf-8") as stream:
        stream.write(f'engines:\n  remote:\n    type: openai\n    base_url: "{url}"\n')
    with pytest.raises(ConfigError, match=r"run\.yaml:.*`base_url`: ") as wrong:
        load_run(run_file, {})
    assert CANARY not in str(wrong.value)


@pytest.mark.parametrize("name", [CANARY, CANARY.upper(), "0123abc", "key with spaces", ""])
def test_a_key_in_the_place_of_its_variables_name_is_refused_without_repeating_it(name: str) -> None:
    with pytest.raises(ValidationError, match="must be the name of an environment variable") as refused:
        settings(api_key_env=name)
    assert not name or name not in str(refused.value)


def test_settings_never_hold_the_key() -> None:
    assert CANARY not in settings().model_dump_json()
    assert CANARY not in served_model("m", settings(), None).model_dump_json()


def test_a_server_cannot_generate(tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "./model")
    with run_file.open("a", encoding="utf-8") as stream:
        stream.write("engines: {remote: {type: openai}, embedded: {type: transformers}}\n")
    assert load_run(run_file, {}).engine == "embedded"
    with pytest.raises(ConfigError, match="`engine` is `remote`, of type `openai`, which is for judges only"):
        load_run(run_file, {"engine": "remote"})


def test_a_served_models_revision_is_where_it_is_and_what_it_is_called() -> None:
    here = served_model("m", settings("http://127.0.0.1:8000/v1"), None)
    assert (here.name, here.path) == ("m", "m")
    assert here == served_model("m", settings("http://127.0.0.1:8000/v1/", concurrency=1), None)
    assert served_model("m", settings(None), None) == served_model("m", settings(OPENAI_URL + "/"), None)
    assert served_model("m", settings("https://h/v1"), None) == served_model("m", settings("https://H:443/v1"), None)
    others = [
        served_model("m", settings("http://127.0.0.1:8001/v1"), None),
        served_model("m", settings("http://127.0.0.2:8000/v1"), None),
        served_model("m", settings("http://127.0.0.1:8000/other/v1"), None),
        served_model("n", settings("http://127.0.0.1:8000/v1"), None),
        served_model("m", settings("http://127.0.0.1:8000/v1"), "awq"),
        served_model("m", settings(None), None),
    ]
    assert len({ref.revision for ref in [here, *others]}) == 7
    assert len({sampler_digest(ref, settings(), Sampling()) for ref in [here, *others]}) == 7


def test_the_environment_cannot_redirect_the_default_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert address(settings(None)) == OPENAI_URL


def test_a_judges_revision_reaches_its_model(tiny_model: ModelRef, tmp_path: Path) -> None:
    run_file = write_run(tmp_path, tiny_model.path)
    revision = "judges.reader.revision=main"
    with pytest.raises(ModelError, match="`revision` is for Hugging Face models"):
        run_pipeline(("generate", "judge"), run_file, {"judge": "reader"}, (revision,), tmp_path / "runs", False)


# --------------------------------------------------------------------------------------------------------- the key


def test_the_key_comes_from_the_environment_and_a_local_server_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda request: completion("{}")) as server:
        engine_at(server.url).sample(QUESTION, 1, Sampling(), seed=0)
        monkeypatch.delenv("OPENAI_API_KEY")
        engine_at(server.url).sample(QUESTION, 1, Sampling(), seed=0)
        monkeypatch.setenv("OTHER_KEY", "other")
        engine_at(server.url, api_key_env="OTHER_KEY").sample(QUESTION, 1, Sampling(), seed=0)
    assert [request.authorization for request in server.received] == [f"Bearer {CANARY}", "Bearer none", "Bearer other"]


@pytest.mark.parametrize("url", [None, "http://gpu-box:8000/v1", "https://127.0.0.1.example.com/v1"])
def test_a_missing_key_is_named(url: str | None) -> None:
    chosen = settings(url, api_key_env="NOT_SET_ANYWHERE")
    message = failure(lambda: open_engine("remote", chosen, served_model("m", chosen, None)))
    assert message.startswith("the environment variable NOT_SET_ANYWHERE is not set")


@pytest.mark.parametrize("broken", [f"{CANARY}\nX: y", f"{CANARY}é"])
def test_a_key_that_cannot_be_sent_is_refused(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", broken)
    assert "OPENAI_API_KEY holds characters" in failure(lambda: engine_at("http://127.0.0.1:1/v1"))


# ------------------------------------------------------------------------------------------------------ failing servers


def test_a_refused_key_names_its_variable_and_is_never_shown() -> None:
    echo = Reply({"error": {"message": f"Incorrect API key provided: {CANARY}", "code": "invalid_api_key"}}, 401)
    with scripted(lambda request: echo) as server:
        message = failure(lambda: engine_at(server.url).sample(QUESTION, 1, Sampling(), seed=0))
    assert message.endswith("refuses the key (401): check the environment variable OPENAI_API_KEY")


def test_a_servers_words_are_cut_cleaned_and_rid_of_the_key() -> None:
    words = f"\x1b[31mno {CANARY} " + "very " * 100
    with scripted(lambda request: Reply({"error": {"message": words}}, 400)) as server:
        message = failure(lambda: engine_at(server.url).sample(QUESTION, 1, Sampling(), seed=0))
    assert "refused a request for `some-model`: 400, �[31mno *** very" in message
    assert len(message) < 350


def test_too_many_requests_are_tried_again_by_the_client() -> None:
    busy = Reply({"error": {"message": "slow down"}}, 429, (("retry-after", "0.05"),))
    with scripted(lambda request: busy if len(server.received) == 1 else completion("{}")) as server:
        assert engine_at(server.url, max_retries=1).sample(QUESTION, 1, Sampling(), seed=0)[0][0].text == "{}"
    assert len(server.received) == 2
    with scripted(lambda request: busy) as server:
        message = failure(lambda: engine_at(server.url, max_retries=1).sample(QUESTION, 1, Sampling(), seed=0))
    assert len(server.received) == 2
    assert "(429, slow down) with `max_retries: 1`: lower `concurrency`" in message


def test_nobody_there_or_too_slow_or_no_such_server() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    assert failure(lambda: engine_at(url).sample(QUESTION, 1, Sampling(), seed=0)) == (
        f"no server can be reached at {url}: start it, or check `base_url`"
    )

    def sleepy(request: Received) -> Reply:
        time.sleep(1)
        return completion("late")

    with scripted(sleepy) as server:
        slow = engine_at(server.url, timeout_seconds=0.1)
        assert "did not answer within 0.1 s" in failure(lambda: slow.sample(QUESTION, 1, Sampling(), seed=0))
    for page in (Reply("<html>hello</html>"), Reply({"hello": "world"}), Reply({"choices": []})):
        with scripted(lambda request, page=page: page) as server:
            message = failure(lambda: engine_at(server.url).sample(QUESTION, 1, Sampling(), seed=0))
        assert "is no OpenAI-compatible server" in message


def test_without_log_probabilities_direct_is_refused_and_says_what_to_do() -> None:
    with scripted(lambda request: completion("A", "length")) as server:
        found = engine_at(server.url).read_choices(QUESTION, ["A", "B"])[0].failure
    assert found is not None
    assert found.stops
    assert found.said.endswith("use `readout: reasoned`")


def test_a_server_that_ignores_the_constraint_may_not_judge(store: Store[Vote]) -> None:
    with (
        scripted(lambda request: completion("The sea is blue.")) as server,
        pytest.raises(JudgeError, match="engine `remote` does not constrain its answers"),
    ):
        votes_of(judge_on(engine_at(server.url), readout="reasoned"), store)
    assert len(store) == 0


def test_top_k_is_refused() -> None:
    assert "has no top_k" in failure(
        lambda: engine_at("http://127.0.0.1:1/v1").sample(QUESTION, 1, Sampling(top_k=5), seed=0)
    )


# --------------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("finish", ["content_filter", "tool_calls"])
@pytest.mark.parametrize("readout", ["direct", "reasoned"])
def test_an_answer_withheld_is_a_failed_vote_never_a_tie(store: Store[Vote], finish: str, readout: str) -> None:
    def withhold(request: Received) -> Reply:
        if code := canary_code(request):
            return completion(code)
        return completion('{"rationale":"x","verdict":"A"}', finish)

    with scripted(withhold) as server:
        judge = judge_on(engine_at(server.url), readout=readout)
        votes = votes_of(judge, store)
    assert {(vote.state, vote.reason, vote.logit) for vote in votes} == {("failed", "refused", None)}
    assert label_pair(PAIRS[0], {"brief": tuple(votes[:2])}, CONSTITUTION, judge).p is None


def test_answers_keep_the_order_of_their_questions() -> None:
    def reversed_in_time(request: Received) -> Reply:
        time.sleep(0.02 * (12 - int(request.question)))
        return completion(request.question)

    questions = [(Message(role="user", content=str(i)),) for i in range(12)]
    with scripted(reversed_in_time) as server:
        answers = engine_at(server.url, concurrency=12).sample(questions, 2, Sampling(), seed=0)
        greedy = engine_at(server.url).sample(questions[:1], 3, Sampling(temperature=0), seed=0)
    assert [[answer.text for answer in row] for row in answers] == [[str(i)] * 2 for i in range(12)]
    assert len({request.body["seed"] for request in server.received[:24]}) == 24
    assert (len(server.received), len(greedy[0])) == (25, 3)
    assert engine_at("http://127.0.0.1:1/v1").sample([], 2, Sampling(), seed=0) == []


def top(**tokens: float) -> list[TopLogprob]:
    return [TopLogprob(token=t.replace("_", " "), logprob=math.log(p)) for t, p in tokens.items()]


def test_spellings_are_summed_and_what_is_not_listed_is_bounded() -> None:
    def probabilities(listed: list[TopLogprob]) -> list[float]:
        readout = read_top(listed, ["A", "B"])
        return [*map(math.exp, readout.logps), readout.missing_mass]

    assert probabilities(top(A=0.5, _B=0.2, _A=0.1, a=0.1, AB=0.05)) == pytest.approx([0.6, 0.2, 0.2])
    # B is not listed: at most what the list leaves (0.04), which is less than the last one listed (0.06).
    assert probabilities(top(A=0.9, x=0.06)) == pytest.approx([0.9, 0.04, 0.1])
    assert probabilities(top(x=0.3, A=0.2, y=0.01)) == pytest.approx([0.2, 0.01, 0.8])
    # Neither is: a bound on both would be a tie made of nothing.
    assert probabilities(top(x=0.6, y=0.3)) == [0.0, 0.0, 1.0]
