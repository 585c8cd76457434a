"""The wheel: builds, installs beside its dependencies, starts fast, and holds what it should and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = {"constitution", "generate", "judge", "train", "reports", "pipeline"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (found,) = folder.glob("preceptor-*.whl")
    return found


def test_it_ships_the_packages_their_templates_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == PACKAGES
    for file in (
        "judge/templates/chat.j2",
        "reports/templates/report.html.j2",
        "constitution/schema.json",
        "constitution/starter.yaml",
    ):
        assert file in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.timed
def test_installed_in_an_environment_of_its_own_it_answers_at_once(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True, timeout=300)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    # The dependencies are those of the test environment; an editable Preceptor in it comes after the installed one.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where = "import constitution, pipeline, train; print(constitution.__file__, pipeline.__file__, train.__file__)"
    found = subprocess.run(
        [str(python), "-c", where], cwd=tmp_path, env=clean, check=True, capture_output=True, text=True
    )
    assert found.stdout.count(str(site)) == 3
    times = []
    for _ in range(5):
        started = time.monotonic()
        command = [str(tmp_path / "env" / "bin" / "preceptor"), "--help"]
        result = subprocess.run(command, cwd=tmp_path, env=clean, check=True, capture_output=True, text=True)
        times.append(time.monotonic() - started)
    assert "second-opinion" in result.stdout
    assert min(times) < 0.5, times
