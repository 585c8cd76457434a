"""The locked packages against what is known of them: pip-audit, where an advisory service answers.

What is known and argued is in requirements/audit-exceptions.txt.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import REPOSITORY

REQUIREMENTS = REPOSITORY / "requirements"
KNOWN_WEAK = "jinja2==2.11.2"
"""CVE-2020-28493: a service that does not know this one knows nothing."""
REASON_WORDS = 8


class Argued(NamedTuple):
    """A weakness that stays."""

    identifier: str
    package: str
    reason: str


def argued() -> list[Argued]:
    lines = (REQUIREMENTS / "audit-exceptions.txt").read_text(encoding="utf-8").splitlines()
    return [Argued(*line.split(maxsplit=2)) for line in lines if line and not line.startswith("#")]


def locked(name: str) -> dict[str, str]:
    """Package -> version."""
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))


def audit(requirements: Path, *ignored: str) -> dict[str, list[str]]:
    """Package -> identifiers and aliases of what is known of its version. Skips where nobody can be asked."""
    ignoring = [word for identifier in ignored for word in ("--ignore-vuln", identifier)]
    options = ["--no-deps", "--disable-pip", "--timeout", "20", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *options, *ignoring, "-r", str(requirements)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        pytest.skip(f"pip-audit reaches no advisory service from here ({last[:200]})")
    found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return {
        each["name"]: [name for weak in each["vulns"] for name in (weak["id"], *weak["aliases"])]
        for each in found
        if each.get("vulns")
    }


@pytest.fixture(scope="module")
def a_service_that_knows(tmp_path_factory: pytest.TempPathFactory) -> None:
    probe = tmp_path_factory.mktemp("probe") / "weak.txt"
    probe.write_text(KNOWN_WEAK + "\n")
    if not audit(probe):
        pytest.skip(
            f"the package index that pip-audit asks from here has no advisories: it finds nothing in {KNOWN_WEAK}"
        )


@pytest.mark.usefixtures("a_service_that_knows")
@pytest.mark.parametrize("lock", ["cpu.lock", "cpu-test.lock"])
def test_no_locked_package_has_a_weakness_that_is_not_argued(lock: str, tmp_path: Path) -> None:
    """torch too, under its public version: nobody keeps advisories of builds like 2.13.0+cpu."""
    wanted = locked(lock) | {name: version.partition("+")[0] for name, version in locked("torch-cpu.txt").items()}
    plain = tmp_path / "locked.txt"
    plain.write_text("".join(f"{name}=={version}\n" for name, version in sorted(wanted.items())))
    assert audit(plain, *(each.identifier for each in argued())) == {}


def test_exceptions_have_reasons_and_are_locked_still() -> None:
    assert argued()
    for each in argued():
        assert re.fullmatch(r"(CVE-\d{4}-\d{4,}|GHSA(-[a-z0-9]{4}){3}|PYSEC-\d{4}-\d+)", each.identifier)
        assert each.package in locked("cpu.lock") | locked("cpu-test.lock"), "take the exception out"
        assert len(each.reason.split()) >= REASON_WORDS


def test_the_weekly_job_ignores_the_same() -> None:
    policy = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    assert re.findall(r"--ignore-vuln (\S+)", policy) == [each.identifier for each in argued()]
    assert "requirements/audit-exceptions.txt" in policy


def test_versions_are_above_what_is_known_to_be_broken() -> None:
    """Where no service can be asked this is what is left: the first releases that mend code execution."""
    versions = locked("cpu-test.lock") | locked("torch-cpu.txt")
    for name, floor in {"torch": (2, 10), "transformers": (5, 5), "jinja2": (3, 1, 6)}.items():
        assert tuple(map(int, re.findall(r"\d+", versions[name])[: len(floor)])) >= floor, name
