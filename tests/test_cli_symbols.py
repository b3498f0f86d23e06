"""``forecaster learn`` and ``forecaster suggest``."""

from __future__ import annotations

import gzip
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forecaster import InputError, SequenceClassifier, SymbolForecaster
from forecaster.cli import run
from forecaster.cli.learn import _describe
from forecaster.textfile import read_texts

LETTERS = "Thanks for reaching\nout to us.\n\nThanks for waiting.\n\nThank you for reaching out.\n\n" * 20


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "letters.txt"
    path.write_text(LETTERS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(letters: Path) -> Path:
    folder = letters.parent / "letters"
    assert run(["learn", str(letters), "--model", str(folder), "--steps", "60", "--threads", "1"]) == 0
    return folder


def test_a_text_is_learned_and_continued(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["suggest", str(model), "thanks for reaching", "--k", "3"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 3
    assert lines[0][1] == "out"
    assert [line[1] for line in lines] == [one.symbol for one in _loaded(model).next("thanks for reaching", k=3)]
    assert 100 >= float(lines[0][0]) >= float(lines[1][0])


def test_a_text_is_generated(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["suggest", str(model), "thanks for reaching", "--generate", "10", "--temperature", "0"]
    assert run(asked) == 0
    told = capsys.readouterr().out.strip()
    drawn = _loaded(model).generate(10, "thanks for reaching", temperature=0)
    assert told == _loaded(model).vocabulary.join(drawn)
    assert told.startswith("out")


def test_what_was_learned_is_told(letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["learn", str(letters), "--model", str(tmp_path / "m"), "--steps", "3", "--units", "characters"]
    assert run([*asked, "--cell", "gru", "--parts", "whole"]) == 0
    told = capsys.readouterr().out
    assert "characters in" in told
    assert "held-out perplexity" in told
    assert "trigram" in told
    assert _loaded(tmp_path / "m").info["architecture"]["cell"] == "gru"
    assert run(["suggest", str(tmp_path / "m")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.parametrize(("clipped", "said"), [(0, ""), (1200, "; gradients clipped in 1,200 of 4,300 steps")])
def test_clipping_is_told_where_it_acted(clipped: int, said: str) -> None:
    training = {"values": 7, "seconds": 1.0, "steps": 4300, "clipped_steps": clipped}
    told = _describe({"training": training, "accuracy": None, "vocabulary": {"symbols": ["a", "b"]}}, "words")
    assert told == f"trained on 7 words in 1.0 s, knows 2 words{said}"


def test_models_lists_it(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", str(model.parent)]) == 0
    assert any(line.split()[:2] == ["letters", "symbols"] for line in capsys.readouterr().out.splitlines())


def test_states_of_a_file_are_parted_by_white_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "machine.log").write_text("idle busy idle error reset\n" * 40, encoding="utf-8")
    asked = ["learn", str(tmp_path / "machine.log"), "--model", str(tmp_path / "m"), "--threads", "1", "--steps", "60"]
    assert run([*asked, "--units", "symbols", "--parts", "lines"]) == 0
    model = _loaded(tmp_path / "m")
    assert set(model.vocabulary.symbols) == {"idle", "busy", "error", "reset"}
    assert model.info["training"]["sequences"] == 40
    assert model.next("idle busy idle error", k=1)[0].symbol == "reset"
    clipped = model.info["training"]["clipped_steps"]
    assert ("gradients clipped in" in capsys.readouterr().out) is (clipped > 0)


@pytest.mark.parametrize(("parts", "count"), [("paragraphs", 3), ("lines", 4), ("whole", 1)])
def test_what_a_file_is_cut_into(tmp_path: Path, parts: str, count: int) -> None:
    text = "\ufeffone\r\ntwo\r\n\r\n\r\nthree\n \n\nfour\n"
    for name, content in (("a.txt", text.encode()), ("a.txt.gz", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(content)
        texts = read_texts(tmp_path / name, parts)  # type: ignore[arg-type]  # one of them
        assert len(texts) == count
        assert texts[0].startswith("one")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.txt", None, "cannot be read"),
        ("empty.txt", b"\n \n", "no text"),
        ("latin.txt", b"fine\ncaf\xe9\n", "line 2"),
        ("zeros.txt", b"fine\n\0\0\n", "line 2: expected text, got a zero byte"),
        ("broken.gz", b"no gzip", "cannot be read"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_texts(tmp_path / name)


def test_words_that_are_not_known_are_named(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["suggest", str(model), "thanks zebra for zebra " + " ".join(f"z{k}z" for k in range(9))]) == 0
    told = capsys.readouterr()
    assert told.err.startswith("not known to the model: zebra, ")
    assert told.err.endswith(" more\n")
    assert len(told.out.splitlines()) == 5
    assert run(["suggest", str(model), "thanks for"]) == 0
    assert capsys.readouterr().err == ""


def test_interrupted_learning_leaves_the_older_model(letters: Path, model: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(model, older)
    for folder in (older, tmp_path / "new"):
        asked = ["learn", str(letters), "--model", str(folder), "--steps", "1000000", "--threads", "1"]
        code = f"from forecaster.cli import run; raise SystemExit(run({asked}))"
        learning = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own words
        assert learning.stderr is not None
        learning.stderr.readline()  # it has begun
        time.sleep(1)
        learning.send_signal(signal.SIGINT)
        assert learning.wait(180) == 130
        assert learning.stderr.read().endswith("Interrupted.\n")
        learning.stderr.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["older"]
    assert {file.name: file.read_bytes() for file in older.iterdir()} == {
        file.name: file.read_bytes() for file in model.iterdir()
    }


def test_models_of_symbols_are_published_and_classifiers_are_not(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["--models", str(tmp_path / "models")]
    for _ in range(2):
        assert run(["publish", str(model), "letters", *models]) == 0
    assert run(["rollback", "letters", *models]) == 0
    SequenceClassifier(training={"steps": 2}, threads=1).fit([["a"], ["b"]], [0, 1]).save(tmp_path / "labels")
    assert run(["publish", str(tmp_path / "labels"), "labels", *models]) == 2
    assert "is a classifier, which answers in the library only" in capsys.readouterr().err
    assert not (tmp_path / "models" / "labels").exists()


@pytest.mark.parametrize("arguments", [["--length", "1"], ["--steps", "-5"], ["--threads", "0"], ["--hidden", "0"]])
def test_what_cannot_be_measured_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diagnose", *arguments]) == 2
    assert arguments[0].removeprefix("--") in capsys.readouterr().err


def test_a_model_of_another_kind_is_told(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("unique_id,ds,y\n" + "".join(f"a,{k},{k % 3}\n" for k in range(60)))
    assert run(["predict", str(model), str(tmp_path / "t.csv"), "--output", str(tmp_path / "o.csv")]) == 2
    assert "symbols" in capsys.readouterr().err
    base = Path(__file__).parents[1] / "forecaster" / "weights" / "daily"
    assert run(["suggest", str(base), "a"]) == 2
    assert "forecaster" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--k", "0"], ["--generate", "0"], ["--generate", "3", "--temperature", "-1"]])
def test_wrong_options_are_told(model: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["suggest", str(model), "a", *arguments]) == 2
    assert "must be" in capsys.readouterr().err


def _loaded(path: Path) -> SymbolForecaster:
    return SymbolForecaster.load(path)
