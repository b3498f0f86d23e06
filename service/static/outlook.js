// The forecast of one series: asked for with its backtest, drawn, and said in words.

import { askJson } from "./api.js";
import { isBase } from "./catalogue.js";
import { chartOverview } from "./chart-overview.js";
import { chartTable } from "./chart-table.js";
import { chartTools } from "./chart-tools.js";
import { Chart } from "./chart.js";
import { announce, byId, make, offerRemedy, showProblem } from "./dom.js";
import { drawingOf, whyNotLog } from "./drawing.js";
import { count } from "./format.js";
import { Latest, whileBusy } from "./latest.js";
import { OptionFields, chosenModel, givenOptions } from "./options.js";
import { Picker } from "./picker.js";
import { comparisonSentence, outlookSentence } from "./sentence.js";
import { get, onChange, set } from "./store.js";
import { TakeAway } from "./take.js";
import { TestedPanel } from "./tested.js";

const PATIENCE = 250; // milliseconds until another series is shown without its forecast

/** The part of the section below the file. */
export class Outlook {
  constructor() {
    this.requests = new Latest();
    [this.series, this.forecast, this.backtest] = [null, null, null];
    [this.drawn, this.tested] = ["", ""]; // what was drawn, and what the backtest is of
    this.picker = new Picker(byId("options"), { label: "Series", chosen: (place) => this.choose(place) });
    this.options = new OptionFields(byId("options"));
    this.chart = new Chart(byId("chart-place"), { label: "Chart of the forecast. Arrow keys read values, plus and minus zoom, 0 resets the view." });
    this.tools = chartTools(this.chart);
    byId("chart-place").append(chartOverview(this.chart));
    byId("chart-foot").append(howTo(), this.tools);
    byId("chart-values").append(chartTable(this.chart, "The values as a table"));
    this.panel = new TestedPanel(byId("accuracy"), () => this.#now());
    this.take = new TakeAway(byId("take"), () => this.#now());
    onChange(["table"], () => this.#showTable());
    onChange(["table", "chosen", "options"], () => this.#ask());
    onChange(["models"], () => chosenModel()?.version !== this.version && this.#ask());
  }

  /** Show another series. */
  choose(place) {
    set({ chosen: place });
    byId("outlook").scrollIntoView({ block: "nearest" });
  }

  #showTable() {
    const table = get("table");
    byId("outlook").hidden = !table?.series.length;
    if (!table) return;
    const lengths = new Map(table.found.series.map(({ unique_id, length }) => [unique_id, count(length, "steps")]));
    this.picker.setItems(table.series, table.series.map((id) => lengths.get(id) ?? ""));
    this.series = this.drawn = null; // what is seen of another file is no place to stay
  }

  /** Ask for forecast and backtest of the chosen series at once; the forecast is drawn as soon as it is there. */
  #ask() {
    const signal = this.requests.next();
    const table = get("table");
    if (!table?.series.length) return;
    this.version = chosenModel()?.version;
    this.#turnTo(table.at(get("chosen")), signal);
    const json = { series: [this.series], ...table.reading, ...givenOptions() };
    const forecast = askJson("POST", "/v1/forecast", { json, signal });
    const backtest = askJson("POST", "/v1/backtest", { json: { ...json, windows: 1, details: true }, signal });
    const unless = (then) => (came) => signal.aborted || then(came);
    const drawn = whileBusy(byId("chart-place"), forecast).then(
      unless((answer) => this.#forecastCame(answer)),
      unless((problem) => this.#failed(problem)),
    );
    const tested = whileBusy(byId("accuracy"), backtest).finally(() => drawn);
    tested.then(
      unless((answer) => this.#backtestCame(answer)),
      unless((problem) => this.#untested(problem)),
    );
  }

  /** Another series is first shown without its forecast, if that is not there soon. */
  #turnTo(series, signal) {
    const isOther = series.unique_id !== this.series?.unique_id;
    this.series = series;
    this.picker.choose(get("chosen"));
    if (!isOther) return;
    this.forecast = this.backtest = null;
    this.tested = "";
    this.take.show();
    setTimeout(() => !signal.aborted && !this.forecast && this.#draw(), PATIENCE);
  }

  #forecastCame(answer) {
    [this.forecast] = answer.forecasts;
    const compares = this.#testKey() === this.tested ? byId("compares").textContent : ""; // other levels change nothing
    if (!compares) this.backtest = null;
    this.options.tellHorizon(answer.h);
    showProblem(byId("outlook-problem"), null);
    this.chart.element.addEventListener("chart-painted", measured, { once: true });
    this.#say(outlookSentence(this.series, this.forecast, answer.freq), compares);
    byId("compares").classList.add("awaited"); // what stands below does not move when it comes
    this.#draw();
    this.take.show();
    announce(byId("says").textContent);
  }

  #backtestCame(answer) {
    this.backtest = answer.forecasts[0] ?? null;
    this.tested = this.#testKey();
    this.#say(byId("says").textContent, comparisonSentence(answer, answer.freq));
    this.panel.show(answer, this.series.unique_id);
    this.#draw();
  }

  #untested(problem) {
    byId("compares").classList.remove("awaited");
    this.panel.showProblem(problem);
  }

  #failed(problem) {
    this.forecast = this.backtest = null;
    this.#say("", "");
    this.#draw();
    this.take.show();
    showProblem(byId("outlook-problem"), problem);
    if (isAboutModel(problem)) offerRemedy(byId("outlook-problem"), "Use the base weights", useBase);
    else if (problem.mayPass) offerRemedy(byId("outlook-problem"), "Try again", () => this.#ask());
  }

  #say(says, compares) {
    byId("says").textContent = says;
    byId("compares").textContent = compares;
  }

  /** What a backtest depends on. */
  #testKey() {
    return JSON.stringify([get("chosen"), this.forecast?.ds.length, { ...givenOptions(), level: null }, this.version]);
  }

  /** Draw what is known; what is seen stays, while it is the same series and horizon. */
  #draw() {
    const drawing = drawingOf(this.series, this.forecast, this.backtest, this.chart.board.clientWidth);
    const key = `${get("chosen")} ${drawing.x.length}`;
    const log = this.tools.setLogReason(whyNotLog(drawing));
    this.chart.show({ ...drawing, log }, { keepView: key === this.drawn });
    this.drawn = key;
  }

  /** What is looked at, for those who work with it. */
  #now() {
    const says = `${byId("says").textContent} ${byId("compares").textContent}`.trim();
    return { table: get("table"), series: this.series, forecast: this.forecast, options: givenOptions(), chart: this.chart, says };
  }
}

function isAboutModel({ status, errors = [] }) {
  return status === 422 && get("options").model !== null && !isBase(chosenModel()) && errors.some(({ field }) => ["freq", "model", "season"].includes(field));
}

function useBase() {
  set({ options: { ...get("options"), model: get("models").find(isBase)?.name ?? "base" } });
}

function howTo() {
  const fine = make("span.with-mouse", {}, "Drag to zoom, drag with Shift to move, double-click to reset.");
  return make("p.hint", {}, fine, make("span.with-finger", {}, "Drag to move, pinch to zoom."));
}

/** For whoever measures: the forecast can be seen now. */
function measured() {
  requestAnimationFrame(() => setTimeout(() => performance.mark("forecaster:drawn")));
}
