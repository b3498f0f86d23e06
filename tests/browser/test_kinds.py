"""Models of other cells and kinds: forecasts of a GRU are seen everywhere, and only what forecasts is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from forecaster import (
    Forecaster,
    NetworkConfig,
    SequenceClassifier,
    SymbolForecaster,
    TrainingConfig,
    read_panel,
)
from tests.service.processes import Running, running

from .chromium import Visit
from .conftest import FLIGHTS, USUAL
from .pages import charts
from .states import go_to, take

TEXT = ["thanks for reaching out", "thanks for waiting", "thank you for reaching out to us"] * 20


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of GRUs, an LSTM, one of words and a classifier."""
    folder = tmp_path_factory.mktemp("kinds")
    panel, training = read_panel(FLIGHTS), TrainingConfig(steps=10, batch_size=8)
    for name, cell in (("gated", "gru"), ("long", "lstm")):
        network = NetworkConfig(cell=cell, lags=7, positions=14, layers=1, hidden=8, dense=8)  # type: ignore[arg-type]  # one of them
        Forecaster(h=14, network=network, training=training).fit(panel).save(folder / name)
    SymbolForecaster(training={"steps": 10}).fit(TEXT).save(folder / "letters")
    SequenceClassifier(training={"steps": 5}).fit([["a", "b"], ["b", "a"]], [0, 1]).save(folder / "labels")
    return folder


@pytest.fixture(scope="module")
def service(kinds: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service"), models=kinds, DEFAULT_MODEL="letters", **USUAL) as started:
        yield started


@pytest.fixture
def page(browser: Browser, service: Running) -> Iterator[Page]:
    """The page with the flights at hand and the GRU chosen, watched."""
    visit = Visit(browser, service)
    page = visit("/")
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    page.locator("#option-model").select_option("gated")
    expect(page.locator("#take code")).to_contain_text("model=gated")
    expect(page.locator("#accuracy table")).to_contain_text("Model gated")
    yield page
    visit.close()
    assert visit.faults() == []


def test_who_chooses_no_model_gets_one_that_forecasts(browser: Browser, service: Running) -> None:
    visit = Visit(browser, service)
    page = visit("/")
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    assert page.locator("#option-model option").all_text_contents() == [
        "base: any series",
        "gated: daily",
        "long: daily",
    ]
    expect(page.locator("#option-model")).to_have_value("base")
    expect(page.locator("#accuracy table")).to_contain_text("Model base")
    go_to(page, "gates")
    expect(page.locator("#gates-model")).to_have_value("base")
    expect(page.locator(".heat canvas").first).to_be_visible()
    visit.close()
    assert visit.faults() == []


def test_the_forecast_of_a_gru_is_drawn_said_and_tested(page: Page, service: Running) -> None:
    answer = service.ask("POST", "/v1/forecast", {"series": [first_series()], "model": "gated"}).json
    (drawn,) = charts(page, "#chart-place")
    line = drawn["data"][drawn["labels"].index("Forecast")]
    assert [value for value in line if value is not None][-14:] == answer["forecasts"][0]["GRU"]
    assert drawn["data"][-1][-14:] == answer["forecasts"][0]["GRU-hi-80"]
    expect(page.locator("#says")).to_contain_text("is expected to average")
    expect(page.locator("#compares")).to_contain_text("the model was off by")
    page.get_by_role("button", name="Copy as Python").click()
    expect(page.locator("#take code")).to_contain_text('series["GRU"]')


def test_a_gru_is_compared_with_an_lstm(page: Page) -> None:
    go_to(page, "models")
    expect(page.locator("[data-model=gated]")).to_contain_text("1 layer of 8 GRU units")
    assert page.locator("#compare-a option").all_text_contents() == ["gated", "long", "base"]
    for side, name in (("a", "gated"), ("b", "long")):
        page.locator(f"#compare-{side}").select_option(name)
    page.locator("#compare-on").select_option("series")
    page.get_by_role("button", name="Compare").click()
    result = page.locator("#compare-result")
    expect(result.locator(".outcome")).to_contain_text("gated")
    (drawn,) = charts(page, "#compare-result")[:1]
    for name in ("gated", "long"):
        assert sum(value is not None for value in drawn["data"][drawn["labels"].index(name)]) == 3 * 14


def test_the_gates_of_a_gru_are_not_promised(page: Page) -> None:
    page.locator(".top nav a[href='#gates']").click()
    expect(page.locator("#gates-model")).to_have_value("gated")
    expect(page.locator("#gates-says")).to_contain_text("The networks of gated are of the kind GRU.")
    expect(page.locator("#gates-view")).to_be_hidden()
    page.locator("#gates-model").select_option("long")
    expect(page.locator(".heat canvas").first).to_be_visible()
    expect(page.locator("#gates-says")).to_contain_text("8 units")
    page.locator("#gates-model").select_option("gated")
    expect(page.locator("#gates-view")).to_be_hidden()


def test_models_of_other_kinds_say_what_they_are(page: Page) -> None:
    go_to(page, "models")
    letters, labels = page.locator("[data-model=letters]"), page.locator("[data-model=labels]")
    expect(letters).to_contain_text("What comes next in a text, of 9 words that it knows")
    expect(letters).to_contain_text("60 sequences")
    expect(letters).to_contain_text("POST /v1/next")
    expect(letters.get_by_role("link", name="Forecast with it")).to_have_count(0)
    letters.get_by_text("All it says about itself").click()
    expect(letters.get_by_role("row", name="vocabulary.size 9")).to_be_visible()
    expect(labels).to_contain_text("it is of a kind that answers in the library only")


def first_series() -> dict[str, object]:
    """Return the series that the page shows first."""
    panel = read_panel(FLIGHTS)
    return {"unique_id": panel.ids[0], "ds": panel.time_labels(0), "y": panel.series(0).tolist()}
