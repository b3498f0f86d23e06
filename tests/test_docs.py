"""What the documents show is run: Python blocks, command lines, requests; and their links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from benchmarks.results import load
from benchmarks.tables import NOTES, README, m4_runs, with_figures, with_labels, with_ladder, with_words
from forecaster.cli import run
from service import create_app
from service.settings import Settings

ROOT = Path(__file__).parents[1]
SERVED = ROOT / "docs" / "client.md"  # talks to a service: tests/service/test_client.py runs it
SCALE = ROOT / "docs" / "scale.md"  # needs Ray, Spark and so on: tests/test_scale_docs.py runs it
ELSEWHERE = {SERVED, SCALE, NOTES}  # the last with its commands: tests/test_notes.py
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(path.read_text(encoding="utf-8")) if found == language]


def command_lines(path: Path, program: str) -> list[list[str]]:
    lines = "".join(blocks(path, "bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith(f"{program} ")]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place like a fresh clone, in which documents may write."""
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if path not in ELSEWHERE and blocks(path, "python")], ids=lambda path: path.name
)
def test_python_blocks_run_one_after_the_other(path: Path) -> None:
    names: dict[str, object] = {"__name__": "document"}
    for number, text in enumerate(blocks(path, "python"), 1):
        exec(compile(text, f"{path.name}, Python block {number}", "exec"), names)  # noqa: S102 - our own documents


def test_the_commands_of_the_readme_run_and_its_requests_are_answered(checkout: Path) -> None:
    for arguments in command_lines(README, "forecaster"):
        if arguments[0] == "serve":
            continue  # does not return; the requests below are made without a network
        assert run([*arguments, *(["--steps", "5"] if arguments[0] in {"train", "backtest"} else [])]) == 0
    client = create_app(Settings(models=checkout / "models")).test_client()
    json_request, csv_request = command_lines(README, "curl")
    answer = client.post("/v1/forecast", json=json.loads(json_request[-1]))
    assert answer.status_code == 200, answer.text
    query = csv_request[-1].partition("8000")[2]
    body = (checkout / csv_request[1].removeprefix("@")).read_bytes()
    answer = client.post(query, data=body, headers=[csv_request[3].split(": ")])  # type: ignore[list-item]  # pairs
    assert answer.status_code == 200, answer.text
    assert len(answer.text.splitlines()) == 1 + 29 * 14


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (path.parent / target).exists()] == []


def anchors(path: Path) -> set[str]:
    """Return what the headings of a document are called in links."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_headings_lead_to_them(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [target.partition("#") for target in re.findall(r"\]\(([^)\s]+#[^)\s]+)\)", text) if "://" not in target]
    lost = [(name, at) for name, _, at in links if at not in anchors((path.parent / name) if name else path)]
    assert lost == []


def test_the_equations_are_numbered_through_and_those_that_are_cited_are_there() -> None:
    text = (ROOT / "docs" / "lstm.md").read_text(encoding="utf-8")
    lines = r"^ ?\((\d+)\)  |^ {33}\((\d+)\)  |\| \((\d+)\) "
    numbers = [
        int("".join(found))
        for block in re.split("```python.*?```", text, flags=re.S)
        for found in re.findall(lines, block, re.M)
    ]
    assert numbers == list(range(1, len(numbers) + 1))
    sources = [*(ROOT / "forecaster").rglob("*.py"), *(ROOT / "tests" / "reference").glob("*.py")]
    cited = {int(number) for path in sources for number in re.findall(r"# .*?\((\d+)\)", path.read_text("utf-8"))}
    assert cited
    assert max(cited) <= len(numbers)


def test_the_figures_in_the_readme_are_the_measured_ones() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_figures(text, load("demo")) == text, "run: python -m benchmarks.tables"
    assert with_ladder(text, m4_runs()) == text, "run: python -m benchmarks.tables"


def test_the_figures_in_the_notes_are_the_measured_ones() -> None:
    text = NOTES.read_text(encoding="utf-8")
    assert with_labels(text, load("classification")) == text, "run: python -m benchmarks.tables"
    assert with_words(text, load("symbols")) == text, "run: python -m benchmarks.tables"


def test_every_variable_that_is_read_is_documented() -> None:
    sources = [
        path.read_text(encoding="utf-8") for room in ("forecaster", "service") for path in (ROOT / room).rglob("*.py")
    ]
    named = set(re.findall(r'"(FORECASTER_[A-Z_]+)"', "".join(sources)))
    assert {"FORECASTER_CACHE_DIR", "FORECASTER_ENGINE", "FORECASTER_CPU_LEVEL"} <= named
    documented = set(
        re.findall(r"^\| `(FORECASTER_[A-Z_]+)`", (ROOT / "docs/operations.md").read_text(encoding="utf-8"), re.M)
    )
    assert named <= documented
