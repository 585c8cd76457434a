"""Constitutions and run files: bombs, tags, duplicates, encodings, sizes, traps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.hostile.case import Case, must_refuse
from constitution.load import load_constitution
from pipeline.load import load_run

GOOD = "name: a\nprinciples:\n- {id: brief, text: Be brief., check: {type: words, max: 9}}\n"
RUN = "name: r\nconstitution: c.yaml\nprompts: {train: t.jsonl, heldout: h.jsonl}\nmodel: m\n"
_LEVELS = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
_MERGES = "".join(f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 9)}]}}\n" for n in range(1, 12))

TEXTS: Mapping[str, str | bytes] = {
    "billion laughs": f"l0: &l0 [x]\n{_LEVELS}{GOOD}",
    "merge bomb": f"l0: &l0 {{a: 1}}\n{_MERGES}{GOOD}",
    "quadratic alias": "a: &a " + "x" * 1000 + "\nb: [" + "*a, " * 5000 + "]\n" + GOOD,
    "alias to itself": "a: &a [*a]\n" + GOOD,
    "anchor alone": "x: &x 1\n" + GOOD,
    "alias alone": GOOD + "x: *x\n",
    "merge key": GOOD + "<<: {a: 1}\n",
    "nested merge key": GOOD.replace("{id", "{<<: {id: z}, id"),
    "python object": "a: !!python/object/apply:os.system ['touch pwned']\n" + GOOD,
    "python object new": "a: !!python/object/new:os.system ['touch pwned']\n" + GOOD,
    "python name": "a: !!python/name:os.system\n" + GOOD,
    "python module": "a: !!python/module:os\n" + GOOD,
    "python tuple": "a: !!python/tuple [1]\n" + GOOD,
    "tag on the root": "!!python/object:x.Y\n" + GOOD,
    "binary tag": "a: !!binary aGk=\n" + GOOD,
    "set tag": "a: !!set {x, y}\n" + GOOD,
    "own tag": "a: !include /etc/passwd\n" + GOOD,
    "tag with a handle": "%TAG ! tag:evil,2026:\n---\na: !x 1\n" + GOOD,
    "yaml directive": "%YAML 1.1\n---\n" + GOOD,
    "two documents": GOOD + "---\n" + GOOD,
    "a document that ends": GOOD + "...\n" + GOOD,
    "duplicate key": GOOD + "name: b\n",
    "duplicate key, quoted": GOOD + '"name": b\n',
    "duplicate key, escaped": GOOD + '"n\\x61me": b\n',
    "duplicate key in a principle": GOOD.replace("text:", "text: x, text:"),
    "duplicate principle": GOOD + "- {id: brief, text: Be brief.}\n",
    "merge conflict": "<<<<<<< HEAD\n" + GOOD + "=======\n" + GOOD + ">>>>>>> other\n",
    "half a merge conflict": GOOD + "=======\n",
    "deep lists": "a: " + "[" * 100_000,
    "deep mappings": "a: " + "{a: " * 50_000,
    "deep blocks": "".join(" " * n + "a:\n" for n in range(500)),
    "deep dashes": "- " * 100_000,
    "question marks": "? " * 100_000,
    "10 MB": GOOD + "# " + "x" * 10_000_000 + "\n",
    "10 MB of keys": "".join(f"k{n}: 1\n" for n in range(700_000)),
    "256 KiB of keys": "".join(f"k{n}: 1\n" for n in range(20_000)),
    "100,000 quotes": '"' * 100_000,
    "one line of 250,000": "name: " + "x" * 250_000,
    "empty": "",
    "spaces": "   \n\n",
    "only a comment": "# nothing\n",
    "only a document start": "---\n",
    "null": "null\n",
    "a list": "- name: a\n",
    "a text": "hello\n",
    "a number": "7\n",
    "tab indentation": "name: a\nprinciples:\n\t- {id: b, text: c}\n",
    "NUL": GOOD.replace("Be", "B\x00e"),
    "NUL at the end": GOOD + "\x00",
    "escape sequence": GOOD.replace("Be", "\x1b[2J"),
    "bell": GOOD.replace("Be", "\x07"),
    "right-to-left override in a key": GOOD.replace("text", "t\u202eext"),
    "zero-width space in a key": GOOD.replace("text", "te\u200bxt"),
    "Cyrillic key": GOOD.replace("name", "nаme"),
    "full-width key": GOOD.replace("name", "ｎａｍｅ"),
    "line separator": GOOD.replace("Be brief", "Be\u2028brief"),
    "second BOM": "\ufeff\ufeff" + GOOD,
    "BOM in the middle": GOOD.replace("Be", "\ufeffBe"),
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-16 without BOM": GOOD.encode("utf-16-le"),
    "UTF-32": GOOD.encode("utf-32"),
    "UTF-7": GOOD.replace("Be", "+AGE-").encode() + b"+ADw-script+AD4-",
    "Latin-1": GOOD.replace("Be brief", "Soyez concis, é").encode("latin-1"),
    "overlong UTF-8": GOOD.encode() + b"x: \xc0\xaf\n",
    "half a character": GOOD.encode() + b"x: \xe2\x82",
    "surrogates": GOOD.encode() + b"x: \xed\xa0\x80\n",
    "gzip": b"\x1f\x8b\x08\x00" + bytes(200),
    "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
    "boolean for text": GOOD.replace("Be brief.", "no"),
    "octal weight": GOOD.replace("{id", "{weight: 012, id"),
    "base 60 weight": GOOD.replace("{id", "{weight: 1:30, id"),
    "NaN weight": GOOD.replace("{id", "{weight: .nan, id"),
    "infinite weight": GOOD.replace("{id", "{weight: .inf, id"),
    "1e999 weight": GOOD.replace("{id", "{weight: 1e999, id"),
    "negative weight": GOOD.replace("{id", "{weight: -1, id"),
    "a weight of 5000 digits": GOOD.replace("{id", "{weight: " + "9" * 5000 + ", id"),
    "date for text": GOOD.replace("Be brief.", "2026-01-31"),
    "unknown key": GOOD + "wieght: 2\n",
    "unknown key, deep": GOOD.replace("max: 9", "max: 9, mox: 3"),
    "dunder key": GOOD + "__class__: x\n",
    "all weights zero": GOOD.replace("{id", "{weight: 0, id"),
    "broken pattern": GOOD.replace("{type: words, max: 9}", '{type: pattern, pattern: "(("}'),
    "pattern of 100,000": GOOD.replace("{type: words, max: 9}", f"{{type: pattern, pattern: {'a' * 100_000}}}"),
    "id with a slash": GOOD.replace("id: brief", "id: ../brief"),
    "id with markup": GOOD.replace("id: brief", 'id: "<b>"'),
    "id of 300": GOOD.replace("id: brief", "id: " + "a" * 300),
    "id with a line break": GOOD.replace("id: brief", 'id: "a\\nb"'),
    "name with NUL escape": GOOD.replace("name: a", 'name: "a\\0b"'),
    "template in the name": GOOD.replace("name: a", 'name: "{{ 7*7 }}"'),
    "extends itself": GOOD + "extends: c.yaml\n",
    "extends a device": GOOD + "extends: /dev/zero\n",
    "extends a folder": GOOD + "extends: .\n",
    "extends with NUL": GOOD + 'extends: "a\\0b"\n',
    "extends nothing": GOOD + "extends: none.yaml\n",
    "extends a password file": GOOD + "extends: /etc/passwd\n",
}

RUN_TEXTS: Mapping[str, str] = {
    "remote code": RUN + "trust_remote_code: true\n",
    "remote code in the engine": RUN + "engines: {e: {type: transformers, trust_remote_code: true}}\n",
    "remote code in the judge": RUN + "judges: {j: {kind: llm, engine: embedded, model: m, trust_remote_code: true}}\n",
    "weights by pickle": RUN + "train: {resume_from: checkpoint.pt}\n",
    "unknown engine": RUN + "engines: {e: {type: os.system}}\n",
    "unknown judge": RUN + "judges: {j: {kind: eval}}\n",
    "a key in the address": RUN + "engines: {e: {type: openai, base_url: 'http://user:secret@h/v1'}}\n",
    "a key in the query": RUN + "engines: {e: {type: openai, base_url: 'http://h/v1?key=secret'}}\n",
    "a key for a variable's name": RUN
    + "engines: {e: {type: openai, base_url: 'http://h/v1', api_key_env: sk-abcdef}}\n",
    "a file address": RUN + "engines: {e: {type: openai, base_url: 'file:///etc/passwd'}}\n",
    "negative seed": RUN + "seed: -1\n",
    "huge seed": RUN + "seed: 99999999999999999999\n",
    "a billion samples as text": RUN + 'generate: {samples: "1000000000"}\n',
    "negative samples": RUN + "generate: {samples: -1}\n",
    "no temperature": RUN + "generate: {sampling: {temperature: .nan}}\n",
    "negative learning rate": RUN + "train: {learning_rate: -1.0}\n",
    "a judge that is not there": RUN + "judge: nobody\n",
    "a source that is not there": RUN + "sources: {crowd: nobody}\n",
    "prompts as a list": RUN.replace("{train: t.jsonl, heldout: h.jsonl}", "[t.jsonl, h.jsonl]"),
    "no model": RUN.replace("model: m\n", ""),
    "empty model": RUN.replace("model: m", 'model: ""'),
}


def _load(text: str | bytes, folder: Path, run: bool) -> object:
    path = folder / ("run.yaml" if run else "c.yaml")
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    loaded = load_run(path, {}) if run else load_constitution(path)
    assert not (folder / "pwned").exists(), "the file ran a command"
    return loaded


def cases() -> list[Case]:
    """All of them must be refused."""
    found = [must_refuse("yaml", name, lambda f, t=text: _load(t, f, False)) for name, text in TEXTS.items()]
    return found + [
        must_refuse("run file", name, lambda f, t=text: _load(t, f, True)) for name, text in RUN_TEXTS.items()
    ]
