"""No key anywhere: whole runs by the command line, with a server that repeats what it was sent wherever it can.

The keys are in the environment, and the libraries log as much as they can. What is searched: every file that the
commands leave (Parquet as what it says), all that they print, and what the libraries keep in the cache folder.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from constitution.errors import ConfigError, ModelError
from generate.engine import ModelRef
from pipeline.load import load_run
from tests.runs import command, environment, write_run
from tests.serving import CANARY, Received, Reply, Scripted, canary_code, completion, scripted

KEYS = {
    "OPENAI_API_KEY": CANARY,
    "HF_TOKEN": "hf_CanaryCanaryCanaryCanaryCanary",
    "WANDB_API_KEY": "c0ffee" * 6 + "dead",
}
TALKATIVE = {"OPENAI_LOG": "debug", "HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug", "TRANSFORMERS_VERBOSITY": "debug"}
REFUSED = 401


def answer(request: Received) -> Reply:
    """A verdict, whose reasons quote the header; of eight questions one fails, and its error quotes the header."""
    if code := canary_code(request):
        return completion(code)
    said = f"Authorization: {request.authorization}"
    draw = hashlib.sha256(request.question.encode()).digest()[0]
    if draw % 8 == 0:
        return Reply({"error": {"message": said, "code": None}}, 500)
    if draw % 8 == 1:
        return Reply({"error": {"message": f"{said[:-3]}\n{said}", "code": "content_filter"}}, 400)
    return completion(json.dumps({"rationale": f"I was sent {said}.", "verdict": "AB"[draw // 8 % 2]}))


def denied(request: Received) -> Reply:
    return Reply({"error": {"message": f"Incorrect API key provided: {request.authorization}"}}, REFUSED)


def write(folder: Path, model: str, server: Scripted) -> None:
    """A run that is judged by the server."""
    text = write_run(folder, model).read_text(encoding="utf-8").replace(
        "judges:\n",
        f'engines:\n  embedded: {{type: transformers}}\n  server: {{type: openai, base_url: "{server.url}", '
        "max_retries: 0}\naudit: {accept: [remote], probes: []}\njudges:\n"
        "  remote: {kind: llm, engine: server, model: any, readout: reasoned}\n",
    )  # fmt: skip
    text = text.replace("judge: rules", "judge: remote").replace("judge: reader, pairs: 3", "judge: rules, pairs: 3")
    (folder / "run.yaml").write_text(text, encoding="utf-8")


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**environment(), **KEYS, **TALKATIVE, "PRECEPTOR_CACHE": str(folder / "cache")}
    return subprocess.run(
        command(*words), cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False
    )


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file's name and bytes; of Parquet, which is compressed, the rows too."""
    import pyarrow.parquet

    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(folder))
            yield name, name.encode() + path.read_bytes()
            if path.suffix == ".parquet":
                yield name, str(pyarrow.parquet.read_table(path).to_pylist()).encode()


def holding(folder: Path, *said: subprocess.CompletedProcess[str]) -> list[str]:
    """Where a key, or most of one, is."""
    printed = [(f"output {i}", (one.stdout + one.stderr).encode()) for i, one in enumerate(said)]
    parts = [key[: 2 * len(key) // 3].encode() for key in KEYS.values()]
    return [name for name, data in [*contents(folder), *printed] if any(part in data for part in parts)]


@pytest.fixture(scope="module")
def finished(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, made while the server quoted the key, and what every command said."""
    folder = tmp_path_factory.mktemp("canary")
    with scripted(answer) as server:
        write(folder, tiny_model.path, server)
        said = [
            call(folder, "run", "run.yaml"),
            call(folder, "export", "run.yaml", "--out", "pairs.json"),
            call(folder, "export", "run.yaml", "--format", "trl", "--out", "trl"),
            call(folder, "export", "run.yaml", "--format", "model", "--out", "model"),
            call(folder, "constitution", "show", "constitution.yaml"),
        ]
        assert [one.returncode for one in said] == [0] * len(said), [one.stderr[-2000:] for one in said]
        assert {request.authorization for request in server.received} == {f"Bearer {CANARY}"}
    (folder / "said.txt").write_text("\n".join(one.stdout + one.stderr for one in said), encoding="utf-8")
    return folder


def test_a_whole_run_leaves_no_key_behind(finished: Path) -> None:
    assert holding(finished) == []
    said = (finished / "said.txt").read_text(encoding="utf-8")
    assert "Sending HTTP Request" in said, "the client's own log was on"


def test_the_server_did_repeat_the_key_and_it_was_taken_out(finished: Path) -> None:
    """Else the test above would find nothing whatever happens."""
    kept = (finished / "runs/tiny/30-votes.sqlite").read_bytes()
    assert b"I was sent Authorization: Bearer ***." in kept
    account = json.loads((finished / "runs/tiny/30-votes.json").read_text())
    assert {"server_error", "refused"} <= account["count"]["reasons"].keys()
    (finished / "left.txt").write_text(f"x{CANARY}y")
    assert holding(finished) == ["left.txt"]
    (finished / "left.txt").unlink()


def test_a_refused_key_and_a_server_that_dies_are_said_without_it(tiny_model: ModelRef, tmp_path: Path) -> None:
    with scripted(denied) as server:
        write(tmp_path, tiny_model.path, server)
        refused = call(tmp_path, "run", "run.yaml")
    gone = call(tmp_path, "run", "run.yaml")
    assert [refused.returncode, gone.returncode] == [2, 2]
    assert "check the environment variable OPENAI_API_KEY" in refused.stderr
    assert "no server can be reached" in gone.stderr
    assert holding(tmp_path, refused, gone) == []


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{CANARY}@data.example.com/prompts.jsonl",
        f"https://{CANARY}@data.example.com/prompts.jsonl",
        f"https://data.example.com/prompts.jsonl?X-Amz-Signature={CANARY}",
        f"s3://me:{CANARY}@bucket/prompts/",
        f"sftp://me:{CANARY}@host/prompts.jsonl",
        f"zip://prompts.jsonl::https://user:{CANARY}@data.example.com/prompts.zip",
    ],
)
def test_an_address_of_prompts_may_hold_no_key_and_is_not_repeated(url: str, tmp_path: Path) -> None:
    text = write_run(tmp_path, "./model").read_text(encoding="utf-8")
    (tmp_path / "run.yaml").write_text(text.replace("train: train.jsonl", f'train: "{url}"'), encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"run\.yaml:3:.*`train`: must not hold a user, a password or a query"
    ) as wrong:
        load_run(tmp_path / "run.yaml", {})
    assert CANARY not in str(wrong.value)
    with pytest.raises(ConfigError) as by_flag:
        load_run(write_run(tmp_path / "other", "./model"), {}, [f"prompts.train={url}"])
    assert CANARY not in str(by_flag.value)


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/prompts/",
        "hf://datasets/org/name@main/train.parquet",
        "github://org:repo@v1/prompts.jsonl",
        "abfs://container@account.dfs.core.windows.net/prompts/",
        "https://data.example.com:8443/prompts.jsonl",
        "memory://a@b/c?.jsonl",
    ],
)
def test_other_addresses_of_prompts_are_taken(url: str, tmp_path: Path) -> None:
    assert load_run(write_run(tmp_path, "./model"), {}, [f"prompts.train={url}"]).prompts.train == url


@pytest.mark.parametrize(
    "engine",
    [
        f'{{type: openai, api_key: "{CANARY}"}}',
        f'{{type: openai, kee: "{CANARY}"}}',
        f'{{type: opnai, kee: "{CANARY}"}}',
        f'{{type: openai, timeout_seconds: -1, base_url: "http://me:{CANARY}@host/v1"}}',
        f'{{type: openai, api_key: "{CANARY}", api_key: "{CANARY}"}}',
        f'{{type: openai, api_key: "{CANARY}", : ]',
    ],
)
def test_a_fault_in_an_engine_does_not_quote_its_line(engine: str, tmp_path: Path) -> None:
    text = write_run(tmp_path, "./model").read_text(encoding="utf-8")
    (tmp_path / "run.yaml").write_text(
        text.replace("judges:\n", f"engines: {{e: {engine}}}\njudges:\n"), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"run\.yaml:\d+:") as wrong:
        load_run(tmp_path / "run.yaml", {})
    assert CANARY not in str(wrong.value)


def test_the_address_of_a_cluster_and_of_an_import_hold_no_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must not hold a user") as wrong:
        load_run(write_run(tmp_path, "./model"), {}, [f"executor={{type: ray, address: 'ray://me:{CANARY}@head:1'}}"])
    assert CANARY not in str(wrong.value)
    url = f"https://me:{CANARY}@data.example.com/x"
    called = call(tmp_path, "import", "trl", "train.jsonl", "--out", "there", "--url", url)
    assert (called.returncode, "--url: must not hold a user" in called.stderr) == (2, True)
    assert CANARY not in called.stdout + called.stderr
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("url", [f"https://me:{CANARY}@host/x", f"https://host/x?sig={CANARY}", f"s3://a:{CANARY}@b"])
def test_no_error_repeats_the_secret_part_of_an_address(url: str) -> None:
    said = str(ModelError(f"the model `{url}` is no model; see github://org:repo@v1/x"))
    assert CANARY not in said
    assert said.endswith("` is no model; see github://org:repo@v1/x")
