"""preceptor compare-judges, dry runs that count tokens, and stores that runs share: through the command's own code."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from constitution.errors import ConfigError, DataError
from generate.engine import ModelRef
from judge.comparison import Comparison
from pipeline.compare import run_comparison
from pipeline.run import run_pipeline
from tests.browsing import DESK, PAPER, PHONE, cut_off, opened, unfold, unreached, violations, wider_than
from tests.runs import command, environment, write_run
from tests.serving import Received, Reply, Scripted, canary_code, completion, scripted
from tests.test_run import edit, votes_in


@pytest.fixture(scope="module")
def paired(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose pairs are there and nothing else; tests copy it."""
    folder = tmp_path_factory.mktemp("paired")
    run_pipeline(("generate",), write_run(folder, tiny_model.path), {}, [], folder / "runs")
    return folder


def likes_length(request: Received) -> Reply:
    """A judge that reads both answers and takes the longer one; a few of its answers are no JSON."""
    a, b = (request.question.split(f"<<<RESPONSE {slot} ")[1].split("<<<END")[0] for slot in "AB")
    if len(a) % 7 == 0:
        return completion("I cannot say.")
    return completion(json.dumps({"rationale": "It says more.", "verdict": "A" if len(a) > len(b) else "B"}))


def answer(request: Received) -> Reply:
    """The canary, then verdicts."""
    code = canary_code(request)
    return completion(code) if code else likes_length(request)


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with scripted(answer) as running:
        yield running


@pytest.fixture
def run_file(paired: Path, tmp_path: Path, server: Scripted) -> Path:
    subprocess.run(["cp", "-a", f"{paired}/.", str(tmp_path)], check=True)
    path = tmp_path / "run.yaml"
    served = f"engines: {{embedded: {{type: transformers}}, server: {{type: openai, base_url: '{server.url}'}}}}\n"
    remote = "  remote: {kind: llm, engine: server, model: any, readout: reasoned, batch_pairs: 2}\n"
    edit(path, "judges:\n", f"{served}judges:\n{remote}")
    server.received.clear()
    return path


def compare(run_file: Path, *judges: str, pairs: int = 6, **more: Any) -> None:
    run_comparison(run_file, {}, more.pop("settings", []), run_file.parent / "runs", judges, pairs, **more)


def compared(run_file: Path) -> Comparison:
    path = run_file.parent / "runs" / "tiny" / "31-compare-judges.json"
    return Comparison.model_validate_json(path.read_text(encoding="utf-8"))


def test_two_judges_are_compared_and_a_second_time_nothing_is_asked(
    run_file: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(run_file, "rules", "remote", pairs=24)
    first, said = compared(run_file), capsys.readouterr().out
    rules, remote = first.judges
    assert (rules.cost.asked, remote.cost.asked) == (rules.cost.votes, 2 * rules.cost.votes)  # both orders
    assert (remote.cost.tokens_in, remote.cost.tokens_out) == (7, 3)  # as the server counts them
    assert remote.cost.seconds is not None
    flips = first.couples[0].flips
    assert flips.share.hits > 0
    assert sum(flips.by_principle.values()) == flips.share.hits
    assert f"{flips.share.hits} of {flips.share.n} labels would flip" in said
    short = first.couples[0].principles[0]
    assert short.agreement.hits < short.agreement.n / 2  # one likes them short, the other long
    assert any(vote.rationale == "It says more." for example in first.couples[0].examples for vote in example.second)
    server.received.clear()
    compare(run_file, "rules", "remote", pairs=24)
    second = compared(run_file)
    assert [side.cost.asked for side in second.judges] == [0, 0]
    assert server.received == []
    assert remote.cost.failed > 0  # and what failed would fail alike
    assert second.couples == first.couples
    page = (run_file.parent / "runs" / "tiny" / "31-compare-judges.html").read_text(encoding="utf-8")
    assert "<h2>rules and remote</h2>" in page
    assert "It says more." in page


@pytest.mark.parametrize(("scheme", "width"), [("light", DESK), ("dark", PHONE)])
def test_everybody_can_read_the_page(browser: Browser, run_file: Path, scheme: str, width: int) -> None:
    compare(run_file, "rules", "remote", pairs=24)
    path = run_file.parent / "runs" / "tiny" / "31-compare-judges.html"
    with opened(browser, path, scheme=scheme, width=width) as (page, requests, said):
        assert unreached(page) == []
        assert page.locator("details").count() > 0
        unfold(page)
        assert violations(page) == []
        assert wider_than(page, width) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for link in page.locator("a").all():
            file, _, anchor = (link.get_attribute("href") or "").partition("#")
            assert (path.parent / file).is_file() if file else page.locator(f"[id='{anchor}']").count() == 1
        assert (requests, said) == ([path.as_uri()], [])
    with opened(browser, path, width=PAPER) as (page, _, _):
        page.emulate_media(media="print")
        assert cut_off(page) == []


def test_three_judges_make_three_couples(run_file: Path) -> None:
    compare(run_file, "rules", "remote", "reader")
    found = compared(run_file)
    assert [(c.first, c.second) for c in found.couples] == [
        ("rules", "remote"),
        ("rules", "reader"),
        ("remote", "reader"),
    ]
    reader = found.judges[2]
    assert reader.cost.failed == reader.cost.votes  # a model without training gives A and B no probability
    assert found.couples[1].flips.share.value is None


def test_its_votes_are_those_of_the_run(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare(run_file, "rules", "remote", pairs=10_000)
    capsys.readouterr()
    run_pipeline(("judge",), run_file, {"judge": "remote"}, [], run_file.parent / "runs")
    assert "judge `remote`: 0 votes asked" in capsys.readouterr().out


def test_a_wrong_name_and_missing_pairs_are_explained(run_file: Path, tiny_model: ModelRef, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`nobody` is no entry of the run file's `judges`: reader, remote, rules"):
        compare(run_file, "rules", "nobody")
    with pytest.raises(ConfigError, match="at least two different judges"):
        compare(run_file, "rules", "rules")
    with pytest.raises(DataError, match=r"run `preceptor generate \S+run.yaml"):
        compare(write_run(tmp_path / "fresh", tiny_model.path), "rules", "reader")


def test_a_dry_run_counts_the_very_tokens_that_are_then_asked(
    run_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = run_file.parent / "runs"
    run_pipeline(("judge",), run_file, {"judge": "reader"}, [], runs, dry_run=True)
    said = capsys.readouterr().out
    row = said.split("    all: ")[1].split("\n")[0]
    calls, tokens, distinct = (int(part.split()[-1].replace(",", "")) for part in _numbers(row))
    assert "time: not measured yet" in said
    assert not (runs / "tiny" / "30-votes.sqlite").exists()
    run_pipeline(("judge",), run_file, {"judge": "reader"}, [], runs)
    count = json.loads((runs / "tiny" / "30-votes.json").read_text(encoding="utf-8"))["count"]
    assert (count["asked"], count["tokens_in"]) == (calls, tokens)
    assert distinct < tokens / 2  # three principles and a question in common


def _numbers(row: str) -> list[str]:
    calls, rest = row.split(" calls, ")
    tokens, rest = rest.split(" prompt tokens (")
    return [calls, tokens, rest.split(" with")[0]]


def test_a_dry_run_says_what_one_edited_principle_costs(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = run_file.parent / "runs"
    run_pipeline(("judge",), run_file, {"judge": "remote"}, [], runs)
    pairs = (runs / "tiny" / "20-pairs.jsonl").read_text(encoding="utf-8").count("\n")
    edit(run_file.parent / "constitution.yaml", "The answer has few vowels.", "The answer has hardly any vowels.")
    capsys.readouterr()
    run_pipeline(("judge",), run_file, {"judge": "remote"}, [], runs, dry_run=True)
    said = capsys.readouterr().out
    assert f"few-vowels: {2 * pairs:,} calls, about " in said
    assert "time: about 0:0" in said


def test_measuring_asks_a_few_votes_and_keeps_them(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = run_file.parent / "runs"
    run_pipeline(("judge",), run_file, {"judge": "reader"}, [], runs, dry_run=True, measure=True)
    said = capsys.readouterr().out
    kept = len(votes_in(runs / "tiny" / "30-votes.sqlite"))
    assert "time: about" in said
    assert "the loading of the model included" not in said
    assert 3 * 4 <= kept <= 3 * 6  # three pairs, both orders, two or three principles
    assert not (runs / "tiny" / "30-votes.json").exists()


def test_tokens_behind_a_server_are_only_about(
    run_file: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(run_file, "rules", "remote", dry_run=True)
    said = capsys.readouterr().out
    assert "calls, about " in said
    assert "the tokenizer of a server's model is not known here" in said
    assert server.received == []


def test_two_runs_share_one_store(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_file.parent
    subprocess.run(["cp", "-a", str(folder / "runs" / "tiny"), str(folder / "runs" / "other")], check=True)
    edit(run_file, "judge: rules\n", "judge: rules\nvotes: shared/votes.sqlite\n")
    for name in ("tiny", "other"):
        run_pipeline(("judge",), run_file, {"name": name}, [], folder / "runs")
    said = capsys.readouterr().out
    first, second = re.findall(r"judge `rules`: (\d+) votes asked", said)
    assert (first != "0", second) == (True, "0")
    assert (folder / "shared" / "votes.sqlite").exists()
    assert not (folder / "runs" / "tiny" / "30-votes.sqlite").exists()


def test_two_processes_judge_the_same_pairs_into_one_store(run_file: Path) -> None:
    folder = run_file.parent
    subprocess.run(["cp", "-a", str(folder / "runs" / "tiny"), str(folder / "runs" / "other")], check=True)
    edit(run_file, "judge: rules\n", "judge: reader\nvotes: shared/votes.sqlite\n")
    started = [
        subprocess.Popen(
            command("judge", "run.yaml", "--name", name),
            cwd=folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("tiny", "other")
    ]
    for process in started:
        assert process.communicate(timeout=200)[1] == ""
    accounts = [
        json.loads((folder / "runs" / name / "30-votes.json").read_text(encoding="utf-8")) for name in ("tiny", "other")
    ]
    votes = votes_in(folder / "shared" / "votes.sqlite")
    assert accounts[0]["digest"] == accounts[1]["digest"]
    assert accounts[0]["states"] == accounts[1]["states"]
    assert len(votes) == sum(accounts[0]["states"].values())
