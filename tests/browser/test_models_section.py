"""The section of models: what there is, training, comparing, publishing and rolling back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from service.jobs.job import FINISHED
from tests.service.processes import Running, wait_for

from .athand import at_hand
from .chromium import Visit
from .conftest import Start, starting
from .states import FLIGHTS, drawn, wait_until_drawn

CSV = {"Content-Type": "text/csv"}


def models(service: Running) -> dict[str, dict[str, Any]]:
    return {model["name"]: model for model in service.ask("GET", "/v1/models").json["models"]}


def row(page: Page, name: str) -> Locator:
    return page.locator(f"[data-model='{name}']")


def shown(value: float) -> str:
    """Return a number as the page writes it: four digits that matter, thousands whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{float(f'{value:.4g}'):,.10g}"


# The list


def test_the_list_is_that_of_the_service(visit: Visit, service: Running) -> None:
    page = visit("/#models")
    told = models(service)
    expect(page.locator("[data-model]")).to_have_count(len(told))
    assert page.locator("[data-model] h3").all_text_contents() == list(told)
    for name, model in told.items():
        expect(row(page, name)).to_contain_text("✓ ready")
        expect(row(page, name).get_by_text("default", exact=True)).to_have_count(int(model["default"]))
    flights, accuracy = row(page, "flights"), told["flights"]["info"]["accuracy"]
    expect(flights).to_contain_text("Daily, 14 days ahead, season of 7 days")
    expect(flights).to_contain_text("29 series, 10,585 values, 1 Jan 2013 to 31 Dec 2013")
    bars = flights.locator(".bars li .number").all_text_contents()
    assert bars == [shown(accuracy["mae"]), shown(accuracy["mae_seasonal_naive"])]
    worse = round(100 * (accuracy["mae"] / accuracy["mae_seasonal_naive"] - 1))
    expect(flights).to_contain_text(f"Its error is {abs(worse)} % {'larger' if worse > 0 else 'smaller'} than that of")


def test_all_that_a_model_says_is_there_on_demand(visit: Visit, service: Running) -> None:
    page = visit("/#models")
    model, flights = models(service)["flights"], row(page, "flights")
    flights.get_by_text("All it says about itself").click()
    for file, digest in model["sha256"].items():
        expect(flights.get_by_role("row", name=f"{file} {digest}")).to_be_visible()
    for name in ("library_version", "architecture.weights", "training.seed", "architecture.networks[0].hidden"):
        expect(flights.get_by_role("rowheader", name=name, exact=True)).to_be_visible()
    assert str(model["info"]["accuracy"]["mase"]) in (flights.text_content() or "")


BROKEN = "99990101T000000Z-deadbeef"


@pytest.fixture(scope="module")
def troubled(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with a model that cannot be read, and "flights" whose newest version should answer and cannot."""
    place = tmp_path_factory.mktemp("troubled")
    with starting(models, place) as begin:
        yield trouble(begin(), place / "service-0" / "models")


def trouble(service: Running, folder: Path) -> Running:
    """Damage the models of a service, and wait until it has noticed."""
    shutil.copytree(folder / "flights" / models(service)["flights"]["version"], folder / "flights" / BROKEN)
    (folder / "flights" / BROKEN / "weights.safetensors").write_bytes(b"nothing")
    (folder / "flights" / "current").write_text(BROKEN, encoding="ascii")
    shutil.copytree(folder / "flights" / BROKEN, folder / "wreck")
    wait_for(lambda: "wreck" in models(service) and models(service)["flights"]["fault"] is not None)
    return service


def test_faults_are_said_in_plain_words(visit: Visit, troubled: Running) -> None:
    page = visit("/#models", troubled)
    assert [(models(troubled)[name]["status"], models(troubled)[name]["fault"]) for name in ("flights", "wreck")] == [
        ("ready", "damaged"),
        ("failed", "damaged"),
    ]
    expect(row(page, "flights")).to_contain_text("A newer version should answer and cannot: its files are damaged.")
    expect(row(page, "flights").get_by_role("link", name="Forecast with it")).to_be_visible()
    expect(row(page, "wreck")).to_contain_text("✕ cannot answer")
    expect(row(page, "wreck")).to_contain_text("It cannot answer: its files are damaged.")
    expect(row(page, "wreck").get_by_role("link", name="Forecast with it")).to_have_count(0)


def test_a_version_that_cannot_answer_is_refused_in_place(visit: Visit, troubled: Running) -> None:
    visit.allow("status of 409")
    before = models(troubled)["flights"]["version"]
    page = visit("/#models", troubled)
    flights = row(page, "flights")
    flights.get_by_text("Versions", exact=True).click()
    flights.get_by_role("button", name=f"Publish: {BROKEN}").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(flights.get_by_role("alert")).to_be_visible()
    assert models(troubled)["flights"]["version"] == before


# Versions


def answers(service: Running, name: str) -> str:
    body = {"series": [{"unique_id": "a", "y": [1, 2, 3, 4, 5, 6, 7, 8]}], "h": 1, "model": name}
    return str(service.ask("POST", "/v1/forecast", body).json["version"])


def test_rolling_back_and_publishing_change_who_answers(visit: Visit, start: Start) -> None:
    service = start()
    newest, oldest = (one["version"] for one in service.ask("GET", "/v1/models/flights").json["versions"])
    page = visit("/#models", service)
    flights = row(page, "flights")
    flights.get_by_text("Versions", exact=True).click()
    expect(flights.locator(f"[data-version='{newest}']")).to_contain_text("✓ answers")
    back = flights.get_by_role("button", name=f"Roll back to it: {oldest}")

    back.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"version {oldest} answers all who ask for flights, in place of {newest}")
    page.keyboard.press("Escape")
    expect(back).to_be_focused()
    assert answers(service, "flights") == newest

    back.click()
    dialog.get_by_role("button", name="Roll back").click()
    expect(flights.locator(f"[data-version='{oldest}']")).to_contain_text("✓ answers")
    assert answers(service, "flights") == models(service)["flights"]["version"] == oldest
    expect(page.locator("#announcer")).to_have_text(f"Version {oldest} of flights answers now.")

    flights.get_by_role("button", name=f"Publish: {newest}").click()
    dialog.get_by_role("button", name="Publish").click()
    expect(flights.locator(f"[data-version='{newest}']")).to_contain_text("✓ answers")
    assert answers(service, "flights") == newest


# Training


def train(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.locator(f"#train-{name}").fill(value)
    page.locator("#train-form").get_by_role("button", name="Train").click()


def newest_job(service: Running) -> dict[str, Any]:
    job: dict[str, Any] = service.ask("GET", "/v1/jobs").json["jobs"][0]
    return job


def test_without_a_file_nothing_can_be_trained(page: Page) -> None:
    page.goto(f"{page.url}#models")
    expect(page.locator("#train-file").get_by_role("link", name="open a file")).to_be_visible()
    expect(page.locator("#train-form").get_by_role("button", name="Train")).to_be_disabled()
    expect(page.locator("#compare-form").get_by_role("button", name="Compare")).to_be_disabled()


def test_a_training_is_seen_to_its_end_and_its_model_answers(visit: Visit, share: Start) -> None:
    service = share()
    page = visit("/#models", service)
    at_hand(page)
    expect(page.locator("#train-name")).to_have_value("flights_daily")
    expect(page.locator("#train-h")).to_have_value("14")
    train(page, name="mine", h="7", steps="30", seed="3")
    card = page.locator(".training")
    expect(card.get_by_role("heading")).to_have_text("mine is trained", timeout=60_000)
    job = newest_job(service)
    assert (job["status"], job["model"]["name"]) == ("succeeded", "mine")
    wanted = {
        "h": 7,
        "steps": 30,
        "seed": 3,
        "cell": "lstm",
        "init": "base",
        "publish": True,
        "name": "mine",
        "freq": "D",
    }
    assert wanted.items() <= job["options"].items()
    curve = card.locator(".chart").evaluate("(chart) => [chart.drawn.x, Object.values(chart.drawn.lines)[0]]")
    assert list(map(list, zip(*curve, strict=True))) == job["progress"]["losses"]
    made = service.ask("GET", f"/v1/jobs/{job['id']}/result").json
    assert card.locator(".bars .number").first.text_content() == shown(made["info"]["accuracy"]["mae"])

    before = drawn(page)
    card.get_by_role("link", name="Forecast with it").click()
    expect(page.locator("#option-model")).to_have_value("mine")
    wait_until_drawn(page, before)
    page.go_back()
    expect(row(page, "mine")).to_contain_text("Daily, 7 days ahead")
    assert models(service)["mine"]["version"] == job["model"]["version"]
    assert answers(service, "mine") == job["model"]["version"]
    card.get_by_role("button", name="Put away").click()
    expect(card).to_have_count(0)


def test_a_training_of_another_cell_begins_with_random_weights(visit: Visit, share: Start) -> None:
    service = share()
    page = visit("/#models", service)
    at_hand(page)
    cell, base, random = page.get_by_label("Cell"), page.get_by_label("the base weights"), page.get_by_label("random")
    expect(cell).to_have_value("lstm")
    assert cell.locator("option").all_text_contents() == ["LSTM", "GRU", "RNN"]
    expect(base).to_be_checked()
    cell.select_option("gru")
    expect(base).to_be_disabled()
    expect(random).to_be_checked()
    cell.select_option("lstm")
    expect(base).to_be_enabled()
    cell.select_option("rnn")
    train(page, name="plain", h="7", steps="5")
    expect(page.locator(".training").get_by_role("heading")).to_have_text("plain is trained", timeout=60_000)
    assert {"cell": "rnn", "init": "random"}.items() <= newest_job(service)["options"].items()
    expect(row(page, "plain")).to_contain_text("RNN units")


def test_a_training_need_not_be_published(visit: Visit, share: Start) -> None:
    service = share()
    before = models(service)["flights"]["version"]
    page = visit("/#models", service)
    at_hand(page)
    row(page, "flights").get_by_text("Versions", exact=True).click()
    page.locator("#train-publish").uncheck()
    train(page, name="flights", steps="10")
    expect(page.locator(".training")).to_contain_text("It does not answer yet", timeout=60_000)
    assert models(service)["flights"]["version"] == before
    made = newest_job(service)["model"]["version"]
    expect(row(page, "flights").get_by_role("button", name=f"Publish: {made}")).to_be_visible()


def test_a_training_outlives_a_reload_and_is_cancelled(visit: Visit, share: Start) -> None:
    service = share()
    page = visit("/#models", service)
    at_hand(page)
    page.get_by_text("random weights").click()
    train(page, name="long", steps="100000")
    card = page.locator(".training")
    expect(card).to_contain_text(re.compile(r"Step [\d,]+ of [\d,]+"), timeout=60_000)
    page.reload()
    expect(card.get_by_role("heading")).to_have_text("Training long")
    expect(card.get_by_role("progressbar", name="Training long")).to_have_attribute("value", re.compile(r"[\d.]+"))
    expect(card.locator(".chart")).to_be_visible()
    card.get_by_role("button", name="Cancel").click()
    expect(card.get_by_role("heading")).to_have_text("The training of long was cancelled")
    assert newest_job(service)["status"] == "cancelled"
    assert "long" not in models(service)


def test_a_training_that_fails_says_why(visit: Visit, service: Running) -> None:
    visit.allow("status of 422")  # the file is too short for a backtest as well
    page = visit("/#models")
    at_hand(page, b"ds,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
    page.get_by_text("random weights").click()
    train(page, name="never", h="50")
    card = page.locator(".training")
    expect(card.get_by_role("heading")).to_have_text("never could not be trained", timeout=60_000)
    wait_for(lambda: newest_job(service)["status"] in FINISHED)
    expect(card.get_by_role("alert")).to_contain_text(newest_job(service)["error"]["detail"])


def test_a_name_that_is_refused_is_refused_in_place(visit: Visit) -> None:
    visit.allow("status of 422")
    page = visit("/#models")
    at_hand(page)
    train(page, name="base")
    expect(page.locator("#train-problem").get_by_role("alert")).to_contain_text("another name than base")


# Comparing


def compare(page: Page, **fields: str) -> Locator:
    for name, value in fields.items():
        field = page.locator(f"#compare-{name}")
        if field.evaluate("(field) => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.locator("#compare-form").get_by_role("button", name="Compare").click()
    result = page.locator("#compare-result")
    expect(result.locator(".outcome")).to_be_visible(timeout=60_000)
    return result


def backtest(service: Running, query: str, body: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = service.ask("POST", f"/v1/backtest?{query}", body, CSV).json
    return answer


def line(told: Mapping[str, Any], method: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in told["accuracy"] if one["model"] == method)
    return found


def cells(result: Locator, name: str) -> list[str]:
    return result.get_by_role("row", name=re.compile(f"^{name} ")).get_by_role("cell").all_text_contents()


def test_two_models_are_compared_on_the_whole_file(visit: Visit, service: Running) -> None:
    page = visit("/#models")
    at_hand(page)
    result = compare(page, a="flights", b="base", h="7", windows="2")
    for model in ("flights", "base"):
        told = backtest(service, f"h=7&windows=2&model={model}", FLIGHTS.read_bytes())
        measures = line(told, "LSTM")
        simple = [measures[name] for name in ("MAE", "RMSE", "sMAPE")]
        assert cells(result, model)[:3] == [shown(value) for value in simple]
        assert cells(result, model)[3] == f"{shown(100 * measures['WAPE'])} %"
        seasonal = line(told, "SeasonalNaive")
        assert cells(result, "seasonal naive")[0] == shown(seasonal["MAE"])
    errors = {name: float(cells(result, name)[0]) for name in ("flights", "base")}
    best = min(errors, key=errors.__getitem__)
    expect(result.locator(".outcome")).to_contain_text(f"{best} is better here")
    expect(result).to_contain_text("flights learned from values from 1 January 2013 to 31 December 2013")
    expect(result).to_contain_text("looks better here than it is on new ones")


def test_the_chart_has_both_backtests_of_the_chosen_series(visit: Visit, service: Running) -> None:
    page = visit("/#models")
    at_hand(page)
    result = compare(page, a="flights", b="base", h="7", windows="2", on="series")
    chart = result.locator(".chart").evaluate("(chart) => chart.drawn")
    first = sorted({text.split(b",")[0] for text in FLIGHTS.read_bytes().splitlines()[1:]})[0].decode()
    assert chart["name"] == first
    own = b"".join(
        text for text in FLIGHTS.read_bytes().splitlines(True) if text.startswith((b"unique_id", first.encode()))
    )
    for model in ("flights", "base"):
        told = backtest(service, f"h=7&windows=2&details=true&model={model}", own)
        values = [value for one in told["forecasts"] for value in one["LSTM"]]
        assert [value for value in chart["lines"][model] if value is not None] == values
        assert cells(result, model)[0] == shown(line(told, "LSTM")["MAE"])
    came = [value for one in told["forecasts"] for value in one["y"]]
    assert chart["lines"]["What came"][-14:] == came


def test_of_a_file_that_is_too_much_the_chosen_series_is_compared(visit: Visit, start: Start) -> None:
    visit.allow("status of 422")
    page = visit("/#models", start(MAX_POINTS="20000"))
    at_hand(page)
    result = compare(page, a="flights", b="base", h="7", windows="8")
    first = result.locator(".chart").evaluate("(chart) => chart.drawn.name")
    expect(result).to_contain_text(f"The whole file is too much for one request. This is the series {first} alone.")
    expect(result).to_contain_text("over 1 series, 8 cutoffs")


def test_a_comparison_that_cannot_be_made_says_why(visit: Visit) -> None:
    visit.allow("status of 422")
    page = visit("/#models")
    at_hand(page)
    page.locator("#compare-h").fill("300")
    page.locator("#compare-form").get_by_role("button", name="Compare").click()
    expect(page.locator("#compare-problem").get_by_role("alert")).to_be_visible(timeout=60_000)
    expect(page.locator("#compare-result")).to_be_empty()
