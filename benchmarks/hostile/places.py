"""Where data is said to be: folders with links, pipes and devices, archives that are bombs, addresses with keys and odd
schemes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.hostile.case import Case, must_refuse, shown
from benchmarks.hostile.yaml_files import RUN
from constitution.errors import PreceptorError
from generate.prompts import load_prompts
from judge.imports.folder import check_pairs, pair_source
from judge.imports.found import Request
from judge.imports.read import import_preferences
from pipeline.command_import import _request
from pipeline.load import load_run

PROMPT = b'{"id": "a", "prompt": "x"}\n'
PAIR = b'{"prompt": "x", "chosen": "a", "rejected": "b"}\n'


def _prompts(where: str, _: Path) -> object:
    return load_prompts(where)


def _pairs(where: str, _: Path) -> object:
    source = pair_source(where)
    check_pairs(source)
    return list(source)


def _import(where: str, folder: Path) -> object:
    return import_preferences(Request(format="trl", sources=(where,)), folder / "imported")


READERS: Mapping[str, Callable[[str, Path], object]] = {"prompts": _prompts, "pairs": _pairs, "import": _import}


def _outside(name: str, data: bytes) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        (folder.parent / name).write_bytes(data)
        (folder / name).symlink_to(folder.parent / name)

    return make


def _outside_folder(folder: Path) -> None:
    (folder.parent / "other").mkdir()
    (folder.parent / "other/a.jsonl").write_bytes(PROMPT)
    (folder / "a.jsonl").symlink_to(folder.parent / "other")


def _files(**files: bytes) -> Callable[[Path], object]:
    return lambda folder: [(folder / name.replace("_", ".")).write_bytes(data) for name, data in files.items()]


FOLDERS: Mapping[str, Callable[[Path], object]] = {
    "empty": lambda folder: None,
    "no kind that is known": _files(a_bin=b"x", b_exe=b"MZ"),
    "a Parquet file that is none beside others": _files(a_jsonl=b"", b_parquet=b"PAR1"),
    "lines in a Parquet file's place": _files(a_parquet=PROMPT),
    "two shards of two kinds": _files(a_jsonl=PAIR, b_ndjson=b'{"question": 1}\n'),
    "a shard that is gzipped": _files(a_jsonl=b"\x1f\x8b\x08"),
    "a shard that is a folder": lambda folder: (folder / "a.jsonl").mkdir(),
    "a shard that is a pipe": lambda folder: os.mkfifo(folder / "a.jsonl"),
    "a shard that is a device": lambda folder: (folder / "a.jsonl").symlink_to("/dev/zero"),
    "a shard that links to itself": lambda folder: (folder / "a.jsonl").symlink_to("a.jsonl"),
    "a shard that links to nothing": lambda folder: (folder / "a.jsonl").symlink_to("none.jsonl"),
    "a shard that links to a folder outside": _outside_folder,
    "prompts that link to a file outside": _outside("a.jsonl", PROMPT),
    "preferences that link to a file outside": _outside("b.jsonl", PAIR),
    "a Parquet file that links to one outside": _outside("c.parquet", b"PAR1"),
    "a description that is a pipe": lambda folder: os.mkfifo(folder / "state.json"),
    "a description that is a device": lambda folder: (folder / "dataset_dict.json").symlink_to("/dev/zero"),
    "itself below itself": lambda folder: (folder / "a.jsonl").symlink_to(folder),
}


def _in_folder(make: Callable[[Path], object], read: Callable[[str, Path], object], url: str, folder: Path) -> object:
    data = folder / "data"
    data.mkdir()
    make(data)
    return read(f"{url}{data}", folder)


def _bomb(path: Path) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("p.jsonl", "w") as stream:
        stream.writelines(bytes(1_000_000) for _ in range(100))
    return f"zip://p.jsonl::{path}"


def _pipe(path: Path, url: str) -> str:
    os.mkfifo(path)
    return f"{url}{path}"


FILES: Mapping[str, Callable[[Path], str]] = {
    "a zip bomb": lambda folder: _bomb(folder / "a.zip"),
    "a folder in a zip bomb": lambda folder: "zip://::" + _bomb(folder / "a.zip").partition("::")[2],
    "a zip that is a pipe": lambda folder: _pipe(folder / "a.zip", "zip://p.jsonl::"),
    "a zip at a URL that is a pipe": lambda folder: _pipe(folder / "a.zip", "zip://p.jsonl::file://"),
    "a tar that is a pipe": lambda folder: _pipe(folder / "a.tar", "tar://p.jsonl::"),
    "a pipe": lambda folder: _pipe(folder / "a.jsonl", ""),
    "a pipe at a URL": lambda folder: _pipe(folder / "a.jsonl", "file://"),
    "a pipe behind a cache": lambda folder: _pipe(folder / "a.jsonl", "simplecache::file://"),
    "a pipe behind a cache of blocks": lambda folder: _pipe(folder / "a.jsonl", "blockcache::local://"),
}
PLACES: Sequence[str] = (
    "/dev/zero",
    "file:///dev/zero",
    "local:///dev/full",
    "zip://p.jsonl::/dev/zero",
    "simplecache::file:///dev/zero",
    "/proc/self/mem",
    "file:///",
    "file://",
    "file:///none.jsonl",
    "file:///a\x00.jsonl",
    "file://" + "/x" * 50_000 + ".jsonl",
    "zip://",
    "zip://p.jsonl",
    "zip://../../etc/passwd::none.zip",
    "zip://a::" * 100 + "x.jsonl",
    "zip::" * 1000 + "x.jsonl",
    "simplecache::" * 2000 + "file:///x.jsonl",
    "simplecache::file:///none.jsonl",
    "filecache::memory://none.jsonl",
    "cached://x",
    "reference://x.jsonl::none.json",
    "generic://x.jsonl",
    "data:text/plain,x",
    "data://text/plain,x",
    "javascript://alert(1)",
    "gopher://host/x.jsonl",
    "memory://nowhere/x.jsonl",
    "://",
    "::",
    "\x1b[2J://x.jsonl",
    "x" * 100_000 + "://x.jsonl",
)
SECRET = "hunter2"  # noqa: S105
ADDRESSES: Sequence[str] = (
    f"https://me:{SECRET}@host/x.jsonl",
    f"https://{SECRET}@host/x.jsonl",
    f"Https://{SECRET}@host/x.jsonl",
    f"https://host/x.jsonl?sig={SECRET}",
    f"https://host/x.jsonl#{SECRET}",
    f"https://u:p@{SECRET}@host/x.jsonl",
    f"https://u%3A{SECRET}@host/x.jsonl",
    f"simplecache::https://{SECRET}@host/x.jsonl",
    f"zip://x.jsonl::https://me:{SECRET}@host/x.zip",
    f"sftp://{SECRET}@host/x.jsonl",
    f"ssh://me:{SECRET}@host/x.jsonl",
    f"smb://me:{SECRET}@host/share/x.jsonl",
    f"s3://AKIA:{SECRET}@bucket/x.jsonl",
    f"s3://AKIA:ab/{SECRET}@bucket/x.jsonl",
    f"s3://bucket/x.jsonl?token={SECRET}",
    f"abfs://c@account.example/x.jsonl?se=1&sig={SECRET}",
    f"hf://datasets/org/data/x.jsonl?token={SECRET}",
)


def _run_file(address: str, folder: Path) -> object:
    path = folder / "run.yaml"
    path.write_text(RUN.replace("t.jsonl", f'"{address}"'), encoding="utf-8")
    return load_run(path, {})


def _as_source(address: str, _: Path) -> object:
    return _request({"format": "trl", "sources": (address,)})


def _keyed(way: str, load: Callable[[str, Path], object], address: str) -> Case:
    """It must be refused before anything is written, in a message without the key."""

    def attack(folder: Path) -> str:
        try:
            return f"accepted as {load(address, folder)}"
        except PreceptorError as error:
            if SECRET in str(error):
                return "the message holds the key"
            raise

    return Case(f"address with a key, {way}", shown(address), attack)


def cases() -> list[Case]:
    """All of them must be refused."""
    found = [
        must_refuse(f"folder of {what}{url and f' at {url}'}", name, lambda f, m=m, r=r, u=url: _in_folder(m, r, u, f))
        for what, r in READERS.items()
        for url in ("", "file://")
        for name, m in FOLDERS.items()
    ]
    found += [
        must_refuse(f"place of {what}", name, lambda f, m=m, r=r: r(m(f), f))
        for what, r in READERS.items()
        for name, m in FILES.items()
    ]
    found += [
        must_refuse(f"place of {what}", shown(where), lambda f, w=where, r=r: r(w, f))
        for what, r in READERS.items()
        for where in PLACES
    ]
    ways = {"run file": _run_file, "import": _as_source}
    return found + [_keyed(way, load, address) for way, load in ways.items() for address in ADDRESSES]
