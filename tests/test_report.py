"""forecaster report: its numbers, its words, and a page that needs nothing but itself."""

from __future__ import annotations

import html.parser
import importlib.util
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster import ColumnNames, Forecaster, Frequency, audit_csv, read_panel
from forecaster.cli import run
from forecaster.reporting import words
from tests.examples import BRIEF, TINY

ROOT = Path(__file__).parents[1]
VOID = {"meta", "br", "hr", "img", "input", "link"}
DAYS = [str(day) for day in np.datetime64("2024-01-01") + np.arange(70)]


class Page(html.parser.HTMLParser):
    """A page as tables, texts and attributes; every element must be closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.texts: list[str] = []
        self.styles: list[str] = []
        self._region: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), "an attribute twice"
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "div" and attributes.get("role") == "region":
            self._region = self.tables.setdefault(str(attributes["aria-label"]), [])
        if tag == "tr":
            self._region.append([])
        if tag in {"td", "th"}:
            self._region[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.styles.append(data)
            return
        self.texts.append(data)
        if self.open and {"td", "th"} & set(self.open):
            self._region[-1][-1] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))


def sales(path: Path, shops: Sequence[str] = ("north", "south"), *, days: Sequence[str] = DAYS, head: str = "") -> Path:
    lines = [head or "shop,day,sold"]
    for number, shop in enumerate(shops):
        quoted = '"' + shop.replace('"', '""') + '"'
        lines += [f"{quoted},{day},{20 + 9 * (k % 7) + (k * 7919 + number) % 11}" for k, day in enumerate(days)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def report(source: Path, *options: str, h: int = 7, code: int = 0) -> Page:
    output = source.with_name("report.html")
    assert run(["report", str(source), "--h", str(h), "--output", str(output), *options]) == code
    return Page(output.read_text(encoding="utf-8"))


def numbers(row: Sequence[str]) -> list[float]:
    return [float(cell.replace(",", "").removesuffix(" %")) for cell in row]


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return four series of the flights."""
    folder = tmp_path_factory.mktemp("flights")
    lines = (ROOT / "data" / "flights_daily.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines[1:] if line.startswith(("EWR_UA", "JFK_B6", "LGA_DL", "JFK_DL"))]
    path = folder / "flights.csv"
    path.write_text("\n".join([lines[0], *kept]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page(flights: Path) -> Page:
    return report(flights, "--level", "80,95", "--windows", "3")


class ByHand:
    """The backtest of the page, by a few lines of NumPy."""

    def __init__(self, source: Path, h: int = 7, windows: int = 3) -> None:
        model, panel = Forecaster.pretrained("D"), read_panel(source)
        own, seasonal, self.actual = [], [], []
        for back in (h * (windows - k) for k in range(windows)):
            known = panel.head(back)
            own.append(model.forecast(known, h=h, level=(50, 80, 95)))
            seasonal.append(np.stack([np.tile(known.series(i)[-7:], 2)[:h] for i in range(len(panel))]))
            self.actual.append(np.stack([panel.series(i)[-back:][:h] for i in range(len(panel))]))
        self.error = np.abs(np.array([one.point for one in own]) - self.actual)
        self.seasonal = np.abs(np.array(seasonal) - self.actual)
        scales = [
            [
                np.abs(values[7:] - values[:-7]).mean()
                for values in (panel.head(back).series(i) for i in range(len(panel)))
            ]
            for back in (h * (windows - k) for k in range(windows))
        ]
        self.mase = float((self.error.mean(axis=2) / scales).mean())
        self.seasonal_mase = float((self.seasonal.mean(axis=2) / scales).mean())
        self.held = {
            level: float(
                np.mean(
                    [
                        (fold.lower[:, k] <= came) & (came <= fold.upper[:, k])
                        for fold, came in zip(own, self.actual, strict=True)
                    ]
                )
            )
            for k, level in enumerate((50, 80, 95))
        }


def test_the_accuracy_is_what_numpy_makes_of_it(page: Page, flights: Path) -> None:
    tested = ByHand(flights)
    head, *rows = page.tables["Accuracy of each method"]
    table = {row[0].partition(":")[0]: dict(zip(head[1:], numbers(row[1:]), strict=True)) for row in rows}
    assert list(table) == ["LSTM", "Naive", "SeasonalNaive", "Drift"]
    assert table["LSTM"]["MAE"] == pytest.approx(tested.error.mean(), abs=6e-3)
    assert table["SeasonalNaive"]["MAE"] == pytest.approx(tested.seasonal.mean(), abs=6e-3)
    assert table["LSTM"]["RMSE"] == pytest.approx(np.sqrt((tested.error**2).mean()), abs=6e-2)
    assert table["LSTM"]["MASE"] == pytest.approx(tested.mase, abs=6e-3)
    assert table["SeasonalNaive"]["MASE"] == pytest.approx(tested.seasonal_mase, abs=6e-3)
    by_series = page.tables["Mean absolute error of each method on each series"]
    for row, own, seasonal in zip(
        by_series[1:], tested.error.mean(axis=(0, 2)), tested.seasonal.mean(axis=(0, 2)), strict=True
    ):
        assert numbers(row[1:2] + row[3:4]) == pytest.approx([own, seasonal], abs=6e-2)


def test_the_verdict_says_it_in_words(page: Page, flights: Path) -> None:
    tested = ByHand(flights)
    change = 100 * (tested.mase / tested.seasonal_mase - 1)
    word = "closer" if change < 0 else "farther away"
    assert f"On average these forecasts were {abs(change):.0f} % {word} than repeating the last week." in page.text
    closer = int((tested.error.mean(axis=(0, 2)) < tested.seasonal.mean(axis=(0, 2))).sum())
    assert f"For {closer} of 4 series they were closer than repeating the last week." in page.text
    assert "This rests on 84 values that came: few, so take it for a hint." in page.text


def test_the_intervals_are_held_against_what_came(page: Page, flights: Path) -> None:
    tested = ByHand(flights)
    _, *rows = page.tables["Share of values inside the intervals"]
    assert [row[0] for row in rows] == ["50 %", "60 %", "70 %", "80 %", "90 %", "95 %", "99 %"]
    for level, held, said in rows:
        if (number := int(level.removesuffix(" %"))) in tested.held:
            assert held == f"{100 * tested.held[number]:.1f} %"
            assert said == words.held(number, tested.held[number])
    assert f"The 80 % intervals held {100 * tested.held[80]:.1f} % of what came" in page.text


def test_the_forecasts_are_those_that_its_command_writes(
    page: Page, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    command = next(text for text in page.texts if text.startswith("forecaster predict"))
    assert run(shlex.split(command)[1:]) == 0
    lines = (tmp_path / "forecast.csv").read_text(encoding="utf-8").splitlines()
    written = [line.split(",") for line in lines[1:]]
    assert lines[0] == "unique_id,ds,LSTM,LSTM-lo-95,LSTM-lo-80,LSTM-hi-80,LSTM-hi-95"
    shown = []
    for name in ("EWR_UA", "JFK_B6", "JFK_DL", "LGA_DL"):
        head, *rows = page.tables[f"Forecast of {name}"]
        assert head == ["Time", "forecast", "from (95 %)", "from (80 %)", "to (80 %)", "to (95 %)"]
        shown += [[name, *row] for row in rows]
    assert [row[:2] for row in sorted(shown)] == [row[:2] for row in sorted(written)]
    for ours, theirs in zip(sorted(shown), sorted(written), strict=True):
        assert numbers(ours[2:]) == pytest.approx([float(cell) for cell in theirs[2:]], abs=0.6)


def test_the_table_behind_a_backtest_has_what_came(page: Page, flights: Path) -> None:
    head, *rows = page.tables["Backtest of JFK_DL"]
    assert head[:4] == ["Time", "came", "forecast", "SeasonalNaive"]
    panel = read_panel(flights)
    values = panel.series(panel.ids.index("JFK_DL"))
    assert numbers([row[1] for row in rows]) == values[-21:].tolist()
    assert numbers([row[3] for row in rows]) == values[-28:-7].tolist()
    assert [row[0] for row in rows] == panel.time_labels(panel.ids.index("JFK_DL"))[-21:]


def test_the_report_can_be_made_again(page: Page, flights: Path) -> None:
    command = next(text for text in page.texts if text.startswith("forecaster report"))
    before = flights.with_name("report.html").read_text(encoding="utf-8")
    assert run(shlex.split(command)[1:]) == 0
    after = flights.with_name("report.html").read_text(encoding="utf-8")
    made = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
    assert made.sub("", after) == made.sub("", before)
    assert len(made.findall(after)) == 1


def needs_nothing(page: Page) -> None:
    """No script, no request to anywhere, no name twice, a table behind each chart, a name for each of them."""
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    for tag, attributes in page.elements:
        assert tag not in {
            "script",
            "link",
            "img",
            "iframe",
            "object",
            "embed",
            "form",
            "base",
            "image",
            "foreignobject",
        }
        assert not [
            name for name in attributes if name.startswith("on") or name in {"src", "srcset", "action", "poster"}
        ]
        reference = attributes.get("href") or attributes.get("xlink:href") or ""
        assert not reference or (reference.startswith("#") and reference[1:] in names)
        drawn = " ".join(value or "" for name, value in attributes.items() if name != "aria-label")
        for place in re.findall(r"url\((.*?)\)", drawn):
            assert place.startswith("#") and place[1:] in names  # noqa: PT018 - one thing: it leads to the page itself
    style = "".join(page.styles)
    assert "url(" not in style
    assert "@import" not in style
    charts = [
        attributes for tag, attributes in page.elements if tag == "svg" and "chart" in (attributes.get("class") or "")
    ]
    assert charts
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)
    figures = sum(tag == "figure" for tag, _ in page.elements)
    assert len(charts) == figures
    assert sum(tag == "h1" for tag, _ in page.elements) == 1


def test_the_page_needs_nothing_but_itself(page: Page, flights: Path) -> None:
    needs_nothing(page)
    text = flights.with_name("report.html").read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert len(text) < 250_000
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")


def wide(path: Path) -> Path:
    rows = [f"{day},{k % 7},{100 + k},{k * k}" for k, day in enumerate(DAYS)]
    path.write_text("\n".join(["day,a,b,c", *rows]) + "\n", encoding="utf-8")
    return path


def hours(path: Path) -> Path:
    times = [datetime(2024, 3, 29) + timedelta(hours=k) for k in range(24 * 6)]
    path.write_text("time,load\n" + "".join(f"{t.isoformat()}+00:00,{t.hour * 1e6}\n" for t in times), encoding="utf-8")
    return path


def steps(path: Path) -> Path:
    path.write_text("step,level\n" + "".join(f"{k},{k % 5}\n" for k in range(40)), encoding="utf-8")
    return path


def constant(path: Path) -> Path:
    months = [f"{2020 + k // 12}-{k % 12 + 1:02d}-01" for k in range(40)]
    path.write_text("month,sold\n" + "".join(f"{month},5\n" for month in months), encoding="utf-8")
    return path


def zeros(path: Path) -> Path:
    path.write_text("day,sold\n" + "".join(f"{day},0\n" for day in DAYS), encoding="utf-8")
    return path


def large(path: Path) -> Path:
    path.write_text(
        "day,sold\n" + "".join(f"{day},{(k % 7 + 1) * 1e200}\n" for k, day in enumerate(DAYS)), encoding="utf-8"
    )
    return path


def gaps(path: Path) -> Path:
    rows = [f"{day},{'' if k % 4 else k}" for k, day in enumerate(DAYS)]
    path.write_text("\n".join(["day,sold", *rows]) + "\n", encoding="utf-8")
    return path


KINDS: dict[str, tuple[Callable[[Path], Path], list[str], str]] = {
    "one series": (lambda path: sales(path, ["only"]), [], "1 series was forecast 7 days ahead, from 2024-03-11"),
    "wide": (wide, [], "3 series were forecast 7 days ahead"),
    "hours": (hours, ["--timezone", "Europe/Berlin"], "1 series of hourly values, 2024-03-29 01:00 to"),
    "steps": (steps, [], "1 series of numbered values, 0 to 39, forecast 7 steps ahead"),
    "constant": (constant, [], "1 series of monthly values"),
    "zeros": (zeros, [], "1 series of daily values"),
    "near the largest": (large, [], "1 series of daily values"),
    "gaps": (gaps, [], "3 warnings were found"),
    "one level": (lambda path: sales(path, ["only"]), ["--level", "66.6"], "66.6 % should lie inside"),
    "five levels": (lambda path: sales(path, ["only"]), ["--level", "10,50,80,95,99.9"], "99.9 % interval"),
    "one step": (lambda path: sales(path, ["only"]), ["--h", "1"], "1 series was forecast 1 day ahead, for 2024"),
    "a season": (lambda path: sales(path, ["only"]), ["--season", "5"], "repeating the last 5 days"),
    "no season": (lambda path: sales(path, ["only"]), ["--season", "1"], "repeating the last value"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("error")
def test_every_kind_of_data_has_its_report(kind: str, tmp_path: Path) -> None:
    make, options, told = KINDS[kind]
    page = report(make(tmp_path / "data.csv"), *options)
    needs_nothing(page)
    assert told in page.text
    assert "nan" not in page.text.lower()


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "=cmd|' /C calc'!A0",
    "</table></figure></svg><style>*{display:none}</style>",
    "&lt;b&gt; & ]]> --> <!--",
    "$x^2$ \\frac",
    "日本橋 👩‍🚀",
    "#7ea6ff #334155 url(//evil)",
]


def test_names_and_cells_stay_text(tmp_path: Path) -> None:
    head = 'shop,day,sold,"<script>alert(2)</script>"'
    source = sales(tmp_path / "<b>&'; rm -rf x.csv", HOSTILE, head="shop,day,sold")
    rows = source.read_text(encoding="utf-8").splitlines()[1:]
    rows += [f'"<u>broken{k}</u>",{day},<i>{k}</i>' for k in range(3) for day in DAYS[:3]]
    source.write_text("\n".join([head, *(f"{row},<script>" for row in rows)]) + "\n", encoding="utf-8")
    page = report(source, code=3)
    needs_nothing(page)
    assert {row[0] for row in page.tables["The series"][1:]} == set(HOSTILE)
    for name in HOSTILE:
        assert f"Forecast of {name}" in page.tables
        assert f"Backtest of {name}" in page.tables
    assert {"b", "script", "u", "i", "style"} & {tag for tag, _ in page.elements} == {"b", "style"}
    assert sum(tag == "style" for tag, _ in page.elements) == 1
    assert all(attributes == {} for tag, attributes in page.elements if tag == "b")  # the large numbers, ours
    assert "got '<i>0</i>'" in page.text
    assert "<b>&'; rm -rf x.csv" in page.text
    command = next(text for text in page.texts if text.startswith("forecaster report"))
    assert shlex.split(command)[2] == str(source)


def test_findings_and_series_without_forecast_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = sales(tmp_path / "data.csv", ["good", "better"])
    with source.open("a", encoding="utf-8") as file:
        file.write(f"broken,{DAYS[0]},x\nbroken,{DAYS[1]},1\nlonely,{DAYS[-1]},1\n")
        file.writelines(f"early,{day},3\n" for day in DAYS[:40])
    page = report(source, code=3)
    assert "3 series were forecast 7 days ahead, each from its own end. 2 more could not be forecast." in page.text
    assert [row[0] for row in page.tables["Series without a forecast"][1:]] == ["broken", "lonely"]
    head, *rows = page.tables["What was found in the data"]
    assert head == ["Kind", "Line", "Series", "What it is", "What is done about it"]
    assert [row[:3] for row in rows] == [
        ["error", "142", "broken"],
        ["error", "", "lonely"],
        ["warning", "", "early"],
        ["note", "", "early"],
    ]
    assert "In the data 2 errors, 1 warning and 1 note were found. What is at fault is left out." in page.text
    assert "The command refuses the file while lines of it are at fault" in page.text
    assert "1 series took no part" in page.text
    shown = capsys.readouterr()
    assert "skipped broken: Line 142, column 'sold': expected a number, got 'x'." in shown.err
    assert "skipped lonely: " in shown.err


def test_many_series_are_named_and_few_are_drawn(tmp_path: Path) -> None:
    source = sales(tmp_path / "data.csv", [f"s{k:03}" for k in range(230)], days=DAYS[:30])
    page = report(source, "--windows", "1")
    needs_nothing(page)
    assert sum(tag == "figure" for tag, _ in page.elements) == 25
    assert "These are the first 12 of 230 series." in page.text
    assert "s012, s013, " in page.text
    assert "s229" in page.text
    assert len(page.tables["The series"]) == 201
    assert len(page.tables["Mean absolute error of each method on each series"]) == 201
    assert "30 more series are not listed." in page.text


def test_short_series_are_tested_from_fewer_cutoffs(tmp_path: Path) -> None:
    page = report(sales(tmp_path / "data.csv", ["a"], days=DAYS[:17]), "--windows", "5")
    assert "7 days ahead from 2 cutoffs (5 were asked for; the series are too short for more)" in page.text
    assert "This rests on 14 values that came: few, so take it for a hint." in page.text
    page = report(sales(tmp_path / "data.csv", ["a"], days=DAYS[:6]))
    assert "There is no backtest, so nothing says how good the forecasts are." in page.text
    assert "Without a backtest nothing says how far the intervals hold" in page.text
    needs_nothing(page)


def test_a_model_trained_for_the_report_never_sees_what_it_is_tested_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    fit = Forecaster.fit

    def spy(self: Forecaster, df: Any, **options: Any) -> Forecaster:
        seen.append(df.lengths.tolist())
        return fit(self, df, **options)

    monkeypatch.setattr(Forecaster, "fit", spy)
    source = sales(tmp_path / "data.csv")
    page = report(source, "--train", "--steps", "2", "--seed", "5", "--windows", "2")
    assert seen == [[70, 70], [56, 56]]
    assert "another was trained in the same way on what came before the first cutoff alone" in page.text
    commands = [
        shlex.split(line) for text in page.texts if text.startswith("forecaster ") for line in text.splitlines()
    ]
    assert [command[1] for command in commands] == ["train", "predict", "report"]
    assert all("--seed" in command for command in commands if command[1] != "predict")
    assert "The model may have learned" not in page.text


def test_another_cell_and_loss_are_named_in_the_commands(tmp_path: Path) -> None:
    source = sales(tmp_path / "data.csv")
    page = report(source, "--train", "--steps", "1", "--cell", "rnn", "--loss", "mae", "--windows", "1")
    assert "a network of the kind called RNN that was trained on this file, from random weights" in page.text
    train, again = (line for text in page.texts for line in text.splitlines() if "--steps 1" in line)
    assert all("--cell rnn --loss mae" in line for line in (train, again))


def test_a_saved_model_may_have_seen_the_values(tmp_path: Path) -> None:
    source = sales(tmp_path / "data.csv")
    panel = read_panel(source, names=ColumnNames("shop", "day", "sold"))
    Forecaster(h=7, network=TINY, training=BRIEF).fit(panel).save(tmp_path / "mine")
    page = report(source, "--model", str(tmp_path / "mine"))
    assert "The model may have learned from some of them: then it looks better here than on new ones." in page.text
    assert "Forecasts come from the saved model mine" in page.text
    sums = (tmp_path / "mine" / "SHA256SUMS").read_text(encoding="utf-8")
    assert next(line.split()[0] for line in sums.splitlines() if "weights" in line) in page.text
    command = next(text for text in page.texts if text.startswith("forecaster predict"))
    assert shlex.split(command)[2] == str(tmp_path / "mine")


def test_base_weights_are_named_with_their_digest(page: Page) -> None:
    folder = ROOT / "forecaster" / "weights" / "daily"
    sums = (folder / "SHA256SUMS").read_text(encoding="utf-8")
    assert next(line.split()[0] for line in sums.splitlines() if "weights" in line) in page.text
    assert "Nothing was trained on this file" in page.text


def test_columns_are_guessed_unless_named(tmp_path: Path) -> None:
    source = sales(tmp_path / "data.csv", ["a"], head="Store Name,Order Date,Units")
    page = report(source)
    assert "Store Name (the names of the series), Order Date (the times), Units (the values)" in page.text
    command = shlex.split(next(text for text in page.texts if text.startswith("forecaster predict")))
    assert command[command.index("--id-col") + 1] == "Store Name"
    page = report(source, "--id-col", "")
    assert "Order Date (the times), Units (the values); not used: Store Name" in page.text


def test_a_parquet_file_has_its_report(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(sales(tmp_path / "data.csv"), parse_dates=["day"])
    frame.to_parquet(tmp_path / "data.parquet")
    page = report(tmp_path / "data.parquet")
    assert "shop (the names of the series), day (the times), sold (the values)" in page.text
    (tmp_path / "odd.parquet").write_bytes(b"PAR1 nothing")
    assert run(["report", str(tmp_path / "odd.parquet"), "--h", "2", "--output", str(tmp_path / "x.html")]) == 2


WRONG = {
    "no file": (["none.csv", "--h", "7"], "there is no such file"),
    "no horizon": (["data.csv"], "Missing option '--h'"),
    "horizon": (["data.csv", "--h", "0"], "h must be from 1"),
    "windows": (["data.csv", "--h", "7", "--windows", "0"], "windows must be from 1"),
    "level": (["data.csv", "--h", "7", "--level", "80,100"], "below 100"),
    "ending": (["data.csv", "--h", "7", "--output", "report.pdf"], "Expected .html, .htm"),
    "folder": (["data.csv", "--h", "7", "--output", "none/report.html"], "there is no folder"),
    "the source": (["data.html", "--h", "7", "--output", "data.html"], "is the file that is read"),
    "two models": (["data.csv", "--h", "7", "--model", "m", "--train"], "do not go together"),
    "steps of nothing": (["data.csv", "--h", "7", "--steps", "3"], "--steps is for --train only"),
    "cell of nothing": (["data.csv", "--h", "7", "--cell", "gru"], "--cell is for --train only"),
    "loss of nothing": (["data.csv", "--h", "7", "--loss", "mse"], "--loss is for --train only"),
    "seed of nothing": (["data.csv", "--h", "7", "--seed", "0"], "--seed is for --train only"),
    "season of a model": (["data.csv", "--h", "7", "--model", "m", "--season", "7"], "--season is not for --model"),
    "no model": (["data.csv", "--h", "7", "--model", "none"], "no model folder"),
    "no column": (["data.csv", "--h", "7", "--id-col", "store"], "There is no column 'store'"),
    "frequency": (["data.csv", "--h", "7", "--freq", "fortnight"], "fortnight"),
    "all at fault": (["faulty.csv", "--h", "7"], "No series can be read. Line 2, column 'sold'"),
    "all too short": (["short.csv", "--h", "7", "--freq", "D"], "No series is long enough"),
    "not a table": (["data.html", "--h", "7"], "expected a file named .csv"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_a_line_and_nothing_is_written(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sales(Path("data.csv")).rename("data.csv")
    Path("data.html").write_text("shop,day,sold\n", encoding="utf-8")
    Path("faulty.csv").write_text("day,sold\n2024-01-01,x\n2024-01-02,y\n", encoding="utf-8")
    Path("short.csv").write_text("day,sold\n2024-01-01,1\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    arguments, message = WRONG[case]
    arguments = arguments if "--output" in arguments else [*arguments, "--output", "report.html"]
    assert run(["report", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_an_interrupted_report_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("forecaster.reporting.sections.backtest", interrupted)
    source = sales(tmp_path / "data.csv", ["a"])
    assert run(["report", str(source), "--h", "7", "--output", str(tmp_path / "report.html")]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_a_missing_matplotlib_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    source = sales(tmp_path / "data.csv", ["a"])
    monkeypatch.setattr("forecaster.cli.report.looked_at", None)  # not even the data are read
    assert run(["report", str(source), "--h", "7", "--output", str(tmp_path / "report.html")]) == 2
    assert 'pip install "forecaster[plot]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("alias", "count", "expected"),
    [
        ("D", 14, "14 days"),
        ("D", 1, "1 day"),
        ("15min", 8, "8 steps of 15 minutes"),
        ("h", 24, "24 hours"),
        ("B", 5, "5 business days"),
        ("W-MON", 1, "1 week"),
        ("QS", 4, "4 quarters"),
        ("2MS", 3, "3 steps of 2 months"),
        ("10", 2, "2 steps"),
    ],
)
def test_steps_are_told_in_words(alias: str, count: int, expected: str) -> None:
    assert words.steps(Frequency(alias), count) == expected


@pytest.mark.parametrize(
    ("alias", "season", "expected"),
    [
        ("D", 7, "repeating the last week"),
        ("B", 5, "repeating the last week"),
        ("h", 24, "repeating the last day"),
        ("15min", 96, "repeating the last day"),
        ("MS", 12, "repeating the last year"),
        ("W-SUN", 52, "repeating the last year"),
        ("QE", 4, "repeating the last year"),
        ("D", 30, "repeating the last 30 days"),
        ("1", 12, "repeating the last 12 steps"),
        ("D", 1, "repeating the last value"),
    ],
)
def test_seasons_are_told_in_words(alias: str, season: int, expected: str) -> None:
    assert words.method_words("SeasonalNaive", Frequency(alias), season) == expected


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (77.0, 100.0, "23 % closer than that"),
        (130.0, 100.0, "30 % farther away than that"),
        (99.0, 100.0, "about as close as that"),
        (0.0, 0.0, "about as close as that"),
        (1.0, 0.0, "farther away than that, which was exact"),
        (0.0, 1.0, "100 % closer than that"),
        (float("nan"), 1.0, "not to be compared with that: nothing came"),
    ],
)
def test_errors_are_compared_in_words(own: float, other: float, expected: str) -> None:
    assert words.compared(own, other, "that") == expected


def test_numbers_have_the_digits_that_tell_them_apart() -> None:
    values = (1234567.8, 123.4, 12.34, 1.234, 0.01234, 0.0)
    texts = ["1,234,568", "123", "12.3", "1.23", "0.0123", "0"]
    assert [words.number(value, words.decimals([value])) for value in values] == texts
    pressure, tiny = (1013.1, 1013.43, 1014.0), (2e-15, 0.0)
    told = [words.number(value, words.decimals(pressure)) for value in pressure]
    assert told == ["1,013.100", "1,013.430", "1,014.000"]
    assert [words.number(value, words.decimals(tiny)) for value in tiny] == ["2e-15", "0"]
    assert words.decimals([5.0, 5.0 + 1e-12]) == 8
    assert words.decimals([-1e308, 1e308]) == 0
    assert words.number(float("nan"), 2) == "n/a"
    assert words.number(1e200, 0) == "1e+200"
    assert [words.held(80, share) for share in (0.8, 0.77, 0.9, float("nan"))] == [
        "about right", "too narrow", "wide, on the safe side", "not known",
    ]  # fmt: skip
    assert words.moment("2024-03-31T05:00:00+02:00") == "2024-03-31 05:00"
    assert words.moment("2024-03-31") == "2024-03-31"


def test_the_findings_of_inspect_and_report_are_the_same(tmp_path: Path) -> None:
    source = sales(tmp_path / "data.csv", ["a", "A", " b"], days=DAYS[:12])
    found = audit_csv(source.read_bytes())
    rows = report(source, h=2).tables["What was found in the data"][1:]
    assert [row[3] for row in rows] == [one.problem for one in found.findings]
    assert json.dumps([row[4] for row in rows]) == json.dumps([one.action for one in found.findings])


def test_a_model_of_another_cell_is_called_by_it(tmp_path: Path) -> None:
    table = tmp_path / "sales.csv"
    days = np.datetime_as_string(np.datetime64("2024-01-01") + np.arange(90))
    table.write_text("unique_id,ds,y\n" + "".join(f"a,{day},{k % 7 + 1}\n" for k, day in enumerate(days)))
    asked = [str(table), "--h", "3", "--freq", "D"]
    training = ["--cell", "gru", "--steps", "2", "--threads", "1"]
    assert run(["train", *asked, *training, "--model", str(tmp_path / "gated")]) == 0
    for chosen in (["--model", str(tmp_path / "gated")], ["--train", *training]):
        assert run(["report", *asked, *chosen, "--windows", "1", "--output", str(tmp_path / "r.html")]) == 0
        text = (tmp_path / "r.html").read_text(encoding="utf-8")
        assert "of the kind called GRU" in text
        assert "LSTM" not in text
        assert ("--cell gru" in text) == ("--train" in chosen)
