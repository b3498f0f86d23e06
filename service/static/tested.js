// How well the model would have done, beside simple methods: tables of backtests.

import { askJson } from "./api.js";
import { isBase } from "./catalogue.js";
import { isOwn } from "./cell.js";
import { fill, make, makeTable, showProblem } from "./dom.js";
import { count, number, percent } from "./format.js";
import { Latest, whileBusy } from "./latest.js";
import { chosenModel } from "./options.js";
import { moment, span } from "./wording.js";

const METHODS = { SeasonalNaive: "Seasonal naive", Naive: "Naive" };
const MEANINGS = {
  MAE: "Mean absolute error: how far off a forecast was on average, in the unit of the values.",
  WAPE: "All errors together, as a share of all values together.",
  MASE: "The error as a multiple of that which the seasonal naive forecast makes one step ahead in the history.",
  "In 80 %": "How many values came to lie in the 80 % interval. About 80 % should.",
  "Seasonal naive": "Each step is forecast as the same step one season before. A model of use does better.",
  Naive: "Each step is forecast as the last value.",
};

/** The panel of accuracy; `now` returns what is looked at: {table, options}. */
export class TestedPanel {
  constructor(place, now) {
    this.now = now;
    this.requests = new Latest();
    this.one = make("div");
    this.all = make("div");
    this.ask = make("button", { type: "button", onclick: () => this.#askAll() });
    this.about = make("p.hint");
    fill(place, this.one, this.about, this.all, make("p.actions", {}, this.ask), meanings());
  }

  /** Show how well one series would have been forecast. */
  show(answer, id) {
    const { table } = this.now();
    this.requests.next(); // what was asked of all series was of other options, or of another file
    fill(this.one, tableOf(answer, `${id}: the last ${span(answer.h, answer.freq)}, forecast from what came before`));
    fill(this.all);
    this.about.textContent = caution();
    this.ask.textContent = `Over all ${count(table.series.length, "series")}`;
    this.ask.hidden = table.series.length < 2 || table.isHead;
  }

  /** Say why there is no accuracy. */
  showProblem(problem) {
    this.requests.next();
    fill(this.one, make("p", {}, `Not tested: ${problem.message}`));
    fill(this.all);
    this.about.textContent = "";
    this.ask.hidden = true;
  }

  async #askAll() {
    const { table, options } = this.now();
    const query = { ...table.columns, ...table.reading, ...options, windows: 1 };
    showProblem(this.all, null);
    this.ask.disabled = true;
    const signal = this.requests.next();
    try {
      const answer = await whileBusy(this.all, askJson("POST", "/v1/backtest", { csv: table.source.blob, query, signal }));
      const skipped = answer.skipped.length ? `; ${count(answer.skipped.length, "series")} too short or at fault` : "";
      fill(this.all, tableOf(answer, `${count(answer.series, "series")}: the last ${span(answer.h, answer.freq)} of each${skipped}`));
      this.ask.hidden = true;
    } catch (problem) {
      showProblem(this.all, problem);
    } finally {
      this.ask.disabled = false;
    }
  }
}

/** A trained model may know the values it is held against. */
function caution() {
  const model = chosenModel();
  if (!model || isBase(model)) return "The base weights have not seen these values.";
  const last = model.info?.training?.last;
  return `If ${model.name} learned from these values${last ? ` (it knows those up to ${moment(last, true)})` : ""}, it looks better here than it is.`;
}

function tableOf(answer, caption) {
  const shown = answer.accuracy.filter((row) => isOwn(row) || row.model in METHODS);
  const least = Math.min(...shown.map(({ MAE }) => MAE ?? Infinity));
  const levels = answer.level.slice(-2);
  const head = ["Method", "MAE", "WAPE", "MASE", ...levels.map((level) => `In ${level} %`)];
  const cells = (row) => [number(row.MAE), percent(row.WAPE), number(row.MASE), ...levels.map((level) => wholePercent(row[`coverage_${level}`]))];
  const table = makeTable(caption, head, shown.map((row) => [METHODS[row.model] ?? `Model ${answer.model}`, ...cells(row)]), { class: "errors" });
  table.caption.classList.add("unseen");
  const most = Math.max(...shown.map(({ MAE }) => MAE ?? 0));
  shown.forEach(({ MAE }, place) => {
    const row = table.tBodies[0].rows[place];
    row.classList.toggle("best", MAE === least);
    row.cells[1].append(bar(most > 0 && MAE !== null ? MAE / most : 0));
  });
  const box = make("div.wide", { tabindex: "0", role: "region", "aria-label": caption }, table);
  return make("div", {}, make("p.hint.errors-of", { "aria-hidden": "true" }, caption), box);
}

function bar(share) {
  const element = make("span.error-bar", { "aria-hidden": "true" });
  element.style.width = `${100 * share}%`;
  return element;
}

function wholePercent(share) {
  return share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`;
}

function meanings() {
  const entries = Object.entries(MEANINGS).flatMap(([word, text]) => [make("dt", {}, word), make("dd", {}, text)]);
  return make("details.meanings", {}, make("summary", {}, "What these measures mean"), make("dl", {}, ...entries));
}
