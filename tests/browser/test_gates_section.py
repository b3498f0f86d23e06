"""Inside the gates: what is drawn is what /v1/explain says, and what is said of it is right."""

from __future__ import annotations

import csv
import io
import itertools
import math
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.service.processes import Running

from .athand import at_hand
from .chromium import Visit
from .pages import at_rest, eventually, painted
from .states import FLIGHTS

GATES = ("forget_gate", "input_gate", "output_gate", "candidate", "cell_state")
MONTH = "December 2013"
SAME = """
({ gate, values }) => {
  const { drawn } = document.querySelector(`.heat[data-gate=${gate}]`);
  return JSON.stringify(drawn.values) === JSON.stringify(values);
}
"""
MINUS = "\N{MINUS SIGN}"


def series(name: str) -> dict[str, Any]:
    rows = [row for row in csv.DictReader(io.StringIO(FLIGHTS.read_text(encoding="utf-8"))) if row["unique_id"] == name]
    return {"unique_id": name, "ds": [row["ds"] for row in rows], "y": [float(row["y"]) for row in rows]}


def explained(service: Running, name: str, **options: Any) -> dict[str, Any]:
    """Return what the service says of one network and layer: the network, with its layer beside it."""
    body = {"series": [series(name)], "freq": "D", "model": "base", "network": 0, "layer": 0} | options
    answer = service.ask("POST", "/v1/explain", body).json
    (network,) = answer["explanations"][0]["networks"]
    return {
        "ds": answer["explanations"][0]["ds"],
        "y": answer["explanations"][0]["y"],
        **network,
        **network["layers"][0],
    }


def look(visit: Visit, **options: Any) -> Page:
    page = visit("/#gates", **options)
    at_hand(page)
    looked(page)
    return page


def looked(page: Page) -> None:
    """Wait until the maps are seen, and drawn to the width of the chart above them."""
    expect(page.locator(".heat canvas").first).to_be_visible()
    painted(page)


def drawn(page: Page, gate: str) -> dict[str, Any]:
    found: dict[str, Any] = page.locator(f".heat[data-gate={gate}]").evaluate("(map) => map.drawn")
    return found


def waits_for(page: Page, gate: str, values: list[list[float]]) -> None:
    """Wait until a map shows these numbers."""
    page.wait_for_function(SAME, arg={"gate": gate, "values": values})


def says(page: Page, gate: str) -> Locator:
    return page.locator(f".heat[data-gate={gate}] .heat-says")


def decimal(value: float) -> str:
    text = f"{value:.2f}".replace("-", MINUS)
    return text.removeprefix(MINUS) if text == f"{MINUS}0.00" else text


def share(value: float) -> str:
    assert 0.01 <= value <= 0.99
    return f"{math.floor(100 * value + 0.5)} %"


def mark(page: Page) -> Locator:
    """Return what tells the unit at the cursor."""
    return page.locator(".cross-mark").first


def test_without_a_file_samples_are_offered(visit: Visit) -> None:
    page = visit("/#gates")
    box = page.locator("#gates-empty")
    expect(box.get_by_role("link", name="Open a file")).to_be_visible()
    box.get_by_role("button").first.click()
    expect(page.locator(".heat canvas").first).to_be_visible()
    expect(box).to_be_hidden()


def test_what_is_drawn_is_what_the_service_says(visit: Visit, service: Running) -> None:
    page = look(visit)
    name = page.locator("#gates-series input").input_value()
    told = explained(service, name)
    for gate in GATES:
        shown = drawn(page, gate)
        assert shown["values"] == told[gate]
        assert sorted(shown["order"]) == list(range(told["units"]))
        most = max(abs(value) for row in told[gate] for value in row)
        assert shown["range"] == {"candidate": [-1, 1], "cell_state": [-most, most]}.get(gate, [0, 1])
    chart = page.locator("#gates-strip .chart").evaluate("(chart) => chart.drawn")
    assert chart["lines"][name] == told["y"]
    expect(page.locator("#gates-says")).to_contain_text(f"Layer 0 has {told['units']} units.")


def test_cells_have_the_colours_of_their_numbers(visit: Visit) -> None:
    """The strongest colour stands where the largest number is, and the colours lie between the ends of the ramp."""
    page = look(visit)
    found = page.evaluate("""() => {
      const map = document.querySelector(".heat[data-gate=forget_gate]");
      const canvas = map.querySelector("canvas");
      const { values, order } = map.drawn;
      const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
      const context = copy.getContext("2d", { willReadFrequently: true });
      context.drawImage(canvas, 0, 0);
      const { left, right } = document.querySelector("#gates-strip .u-over").getBoundingClientRect();
      const start = left - canvas.getBoundingClientRect().left;
      const wide = (right - left) / values[0].length;
      const light = (unit, step) => {
        const y = ((order.indexOf(unit) + 0.5) * canvas.clientHeight) / order.length;
        const [r, g, b] = context.getImageData(Math.round(start + (step + 0.5) * wide), Math.round(y), 1, 1).data;
        return [values[unit][step], r + g + b];
      };
      return order.flatMap((unit) => values[unit].map((_, step) => light(unit, step)));
    }""")
    by_value = sorted(found)
    lights = [light for _, light in by_value]
    assert len(found) > 1000
    assert all(after <= before + 6 for before, after in itertools.pairwise(lights))  # the larger, the darker
    assert lights[0] - lights[-1] > 250


def test_sentences_have_the_numbers(visit: Visit, service: Running) -> None:
    page = look(visit)
    told = explained(service, page.locator("#gates-series input").input_value())
    unit, step = told["movers"][0]["unit"], len(told["ds"]) - 1
    expect(mark(page)).to_have_text(str(unit))
    at = {gate: told[gate][unit][step] for gate in (*GATES, "hidden_state")}
    before = told["cell_state"][unit][step - 1]
    when = f"31 {MONTH}"
    expect(says(page, "forget_gate")).to_have_text(
        f"At {when} unit {unit} kept {share(at['forget_gate'])} of what it remembered, {decimal(before)}."
    )
    expect(says(page, "input_gate")).to_have_text(
        f"At {when} unit {unit} let in {share(at['input_gate'])} of the new value {decimal(at['candidate'])}."
    )
    expect(says(page, "candidate")).to_contain_text(f"was {decimal(at['candidate'])}, between")
    kept, added = at["forget_gate"] * before, at["input_gate"] * at["candidate"]
    assert kept + added == pytest.approx(at["cell_state"], abs=1e-5)  # (6) in docs/lstm.md
    expect(says(page, "cell_state")).to_contain_text(
        f"went from {decimal(before)} to {decimal(at['cell_state'])}: "
        f"{decimal(kept)} was kept and {decimal(added)} added."
    )
    assert at["output_gate"] * math.tanh(at["cell_state"]) == pytest.approx(at["hidden_state"], abs=1e-5)  # (7)
    expect(says(page, "output_gate")).to_contain_text(f"showed {share(at['output_gate'])} of its memory")
    expect(says(page, "output_gate")).to_contain_text(f"{decimal(at['hidden_state'])} went on.")

    maps = page.get_by_role("application", name="Gates and states")
    maps.focus()
    page.keyboard.press("Home")
    expect(says(page, "forget_gate")).to_contain_text("had nothing to remember yet")


def test_the_keyboard_goes_over_time_and_units_and_says_it(visit: Visit, service: Running) -> None:
    page = look(visit)
    told = explained(service, page.locator("#gates-series input").input_value())
    order = drawn(page, "forget_gate")["order"]
    page.get_by_role("application", name="Gates and states").focus()
    for key, (step, place) in {
        "ArrowLeft": (26, 0), "ArrowDown": (26, 1), "Shift+ArrowLeft": (16, 1), "PageDown": (16, 11),
        "ArrowUp": (16, 10), "ArrowRight": (17, 10), "End": (27, 10), "Shift+ArrowDown": (27, 20),
        "Home": (0, 20), "PageUp": (0, 10),
    }.items():  # fmt: skip
        page.keyboard.press(key)
        expect(mark(page), key).to_have_text(str(order[place]))
        cursor = f"{int(told['ds'][step][8:10])} {MONTH}"
        expect(page.locator("#gates-strip .chart-when"), key).to_have_text(cursor)
        expect(page.locator("#announcer")).to_contain_text(f"{cursor}, unit {order[place]}: kept ")


def test_the_mouse_reads_the_cell_it_is_on_in_all_maps(visit: Visit, service: Running) -> None:
    page = look(visit)
    told = explained(service, page.locator("#gates-series input").input_value())
    board = page.locator(".heat[data-gate=candidate] .heat-board")
    board.scroll_into_view_if_needed()
    area = page.locator("#gates-strip .u-over").bounding_box()
    box = board.bounding_box()
    assert area is not None
    assert box is not None
    step, place = 20, 7
    unit = drawn(page, "candidate")["order"][place]
    wide, tall = area["width"] / len(told["ds"]), box["height"] / told["units"]
    page.mouse.move(area["x"] + (step + 0.5) * wide, box["y"] + (place + 0.5) * tall)
    value = told["candidate"][unit][step]
    day = int(told["ds"][step][8:10])
    expect(says(page, "candidate")).to_contain_text(
        f"At {day} {MONTH} the new value offered to unit {unit} was {decimal(value)}"
    )
    expect(says(page, "forget_gate")).to_contain_text(
        f"At {day} {MONTH} unit {unit} kept {share(told['forget_gate'][unit][step])}"
    )
    expect(page.locator("#gates-strip .chart-when")).to_have_text(f"{day} {MONTH}")
    page.mouse.move(5, 5)
    expect(page.locator("#gates-strip .chart-when")).to_have_text(f"{day} {MONTH}")  # it stays where it was


def test_a_series_shorter_than_the_network_looks_back(visit: Visit, service: Running) -> None:
    """The network ran over steps before the first one; what it remembered then is not told, and not made up."""
    visit.allow("status of 422")  # it is too short for a backtest
    page = visit("/#gates")
    ds, y = [f"2024-01-{day:02d}" for day in range(1, 11)], [3, 4, 5, 3, 9, 8, 3, 4, 6, 3]
    at_hand(page, "\n".join(["ds,y", *map("{},{}".format, ds, y)]).encode())
    looked(page)
    body = {"series": [{"unique_id": "1", "ds": ds, "y": y}], "freq": "D", "model": "base", "network": 0, "layer": 0}
    (network,) = service.ask("POST", "/v1/explain", body).json["explanations"][0]["networks"]
    (layer,) = network["layers"]
    assert network["padding"] > 0
    assert drawn(page, "cell_state")["values"] == layer["cell_state"]
    unit = layer["movers"][0]["unit"]
    page.get_by_role("application", name="Gates and states").focus()
    page.keyboard.press("Home")
    new = decimal(layer["input_gate"][unit][0] * layer["candidate"][unit][0])
    came = f"the memory of unit {unit} came to {decimal(layer['cell_state'][unit][0])}, of which {new} is new."
    expect(says(page, "cell_state")).to_have_text(f"At 1 January 2024 {came}")
    expect(says(page, "forget_gate")).to_contain_text("of what it remembered.")


def test_those_that_moved_most_are_listed_and_chosen(visit: Visit, service: Running) -> None:
    page = look(visit)
    told = explained(service, page.locator("#gates-series input").input_value())
    buttons = page.locator("#movers-list button")
    expect(buttons).to_have_count(len(told["movers"]))
    expect(page.locator("#movers-says")).to_contain_text(f"over the last {told['movers_steps']} days")
    for place, mover in enumerate(told["movers"]):
        before, after, change = (decimal(mover[name]) for name in ("cell_state_before", "cell_state", "change"))
        expect(buttons.nth(place)).to_contain_text(f"Unit {mover['unit']}")
        expect(buttons.nth(place)).to_contain_text(f"{before} → {after}, moved {change}")
    expect(buttons.first).to_have_attribute("aria-pressed", "true")
    buttons.nth(2).click()
    expect(mark(page)).to_have_text(str(told["movers"][2]["unit"]))
    expect(buttons.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(buttons.first).to_have_attribute("aria-pressed", "false")


def test_units_are_ordered_by_how_much_they_moved_or_by_number(visit: Visit, service: Running) -> None:
    page = look(visit)
    told = explained(service, page.locator("#gates-series input").input_value())
    steps = told["movers_steps"]
    cells = [[0.0, *row] for row in told["cell_state"]]
    moved = [sum(abs(row[k + 1] - row[k]) for k in range(len(row) - 1 - steps, len(row) - 1)) for row in cells]
    order = drawn(page, "cell_state")["order"]
    assert order[: len(told["movers"])] == [mover["unit"] for mover in told["movers"]]
    assert order == sorted(order, key=lambda unit: -moved[unit])
    page.locator("#gates-order").select_option("by number")
    eventually(page, lambda: drawn(page, "cell_state")["order"], sorted(order))


def test_another_network_layer_series_and_model(visit: Visit, service: Running) -> None:
    page = look(visit)
    name = page.locator("#gates-series input").input_value()
    expect(page.locator("#gates-network option")).to_have_count(3)
    page.locator("#gates-network").select_option("2")
    waits_for(page, "cell_state", explained(service, name, network=2)["cell_state"])
    expect(page.locator("#gates-says")).to_contain_text("without its season, which is put back later")
    page.locator("#gates-layer").select_option("1")
    waits_for(page, "cell_state", explained(service, name, network=2, layer=1)["cell_state"])
    page.get_by_role("button", name="Series: next").click()
    other = page.locator("#gates-series input").input_value()
    assert other != name
    waits_for(page, "cell_state", explained(service, other, network=2, layer=1)["cell_state"])
    page.locator("#gates-model").select_option("flights")
    waits_for(page, "cell_state", explained(service, other, model="flights")["cell_state"])
    expect(page.locator("#gates-network option")).to_have_count(1)


def test_what_was_seen_is_not_asked_for_again(visit: Visit) -> None:
    page = look(visit)
    page.locator("#gates-network").select_option("1")
    expect(page.locator("#gates-says")).to_contain_text("Network 1")
    asked = visit.requests.count("POST /v1/explain")
    page.locator("#gates-network").select_option("0")
    expect(page.locator("#gates-says")).to_contain_text("Network 0")
    at_rest(page)
    assert visit.requests.count("POST /v1/explain") == asked


def test_a_unit_can_be_read_as_a_table(visit: Visit, service: Running) -> None:
    page = look(visit)
    told = explained(service, page.locator("#gates-series input").input_value())
    page.get_by_text("The chosen unit as a table").click()
    unit = told["movers"][0]["unit"]
    rows = page.locator("#gates-table tbody tr")
    expect(rows).to_have_count(len(told["ds"]))
    columns = ("forget_gate", "input_gate", "candidate", "cell_state", "output_gate", "hidden_state")
    for step in (0, 13, 27):
        numbers = [float(text) for text in rows.nth(step).locator("td").all_text_contents()[1:]]
        assert numbers == [told[name][unit][step] for name in columns]
    page.locator("#movers-list button").nth(1).click()
    expect(page.locator("#gates-table caption")).to_have_text(f"Unit {told['movers'][1]['unit']} of layer 0, network 0")


def test_what_cannot_be_explained_says_why(visit: Visit) -> None:
    visit.allow("status of 422")
    page = look(visit)
    problem = {"type": "urn:problem-type:forecaster:no-forecast", "status": 422, "detail": "It is too short."}
    page.route("**/v1/explain", lambda route: route.fulfill(status=422, json=problem))
    page.locator("#gates-layer").select_option("1")
    expect(page.locator("#gates-problem").get_by_role("alert")).to_contain_text("It is too short.")
    expect(page.locator("#gates-view")).to_be_hidden()
    page.unroute("**/v1/explain")
    page.locator("#gates-layer").select_option("0")
    expect(page.locator(".heat canvas").first).to_be_visible()
    expect(page.locator("#gates-problem")).to_be_empty()


def test_both_themes_draw_anew(visit: Visit) -> None:
    page = look(visit, color_scheme="light")
    picture = "document.querySelector('.heat canvas').toDataURL()"
    light = page.evaluate(picture)
    page.locator("#theme").click()
    page.locator("#theme").click()
    page.wait_for_function(f"(light) => {picture} !== light", arg=light)


def test_a_phone_has_the_same(visit: Visit, service: Running) -> None:
    page = look(visit, viewport={"width": 390, "height": 844}, device_scale_factor=3, has_touch=True, is_mobile=True)
    told = explained(service, page.locator("#gates-series input").input_value())
    assert drawn(page, "cell_state")["values"] == told["cell_state"]
    sizes = page.locator(".heat canvas").first.evaluate("(c) => [c.width, c.clientWidth, c.height, c.clientHeight]")
    assert sizes[0] == 3 * sizes[1]
    assert sizes[2] == 3 * sizes[3]
    board = page.locator(".heat[data-gate=input_gate] .heat-board")
    board.scroll_into_view_if_needed()
    before = says(page, "input_gate").text_content()
    board.tap(position={"x": 150, "y": 60})
    expect(says(page, "input_gate")).not_to_have_text(before or "")
