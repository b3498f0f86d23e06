// What came of a comparison: a sentence, a table side by side, a chart of one series.

import { bars, difference } from "./accuracy.js";
import { drawBacktests } from "./backtestchart.js";
import { isOwn } from "./cell.js";
import { fill, make, makeTable } from "./dom.js";
import { count, number, percent } from "./format.js";
import { moment, span } from "./wording.js";

const SIMPLE = { SeasonalNaive: "seasonal naive", Naive: "naive", Drift: "drift" };

/**
 * Show two backtests side by side.
 *
 * @param {HTMLElement} place
 * @param {object} series  the one that is drawn
 * @param {boolean} tooMuch  whether the whole file was asked for, and was too much
 * @param {{model: object, answer: object, ofSeries: object}} first
 * @param {{model: object, answer: object, ofSeries: object}} second
 * @returns {string} the outcome in a sentence
 */
export function showComparison(place, series, tooMuch, first, second) {
  const rows = rowsOf(first, second);
  const sentence = outcome(first, second);
  const drawn = make("div");
  fill(
    place,
    make("p.outcome", {}, sentence),
    ...warnings(first, second, tooMuch ? series.unique_id : null),
    make("p.hint", {}, `Mean absolute error over ${count(first.answer.series, "series")}, ${count(first.answer.cutoffs, "cutoffs")}, ${span(first.answer.h, first.answer.freq)} each`),
    bars(rows.map(({ name, kind, row }) => ({ name, kind, value: row.MAE }))),
    make("div.wide", { role: "region", "aria-label": "All measures", tabindex: 0 }, table(rows, first.answer.level)),
    drawn,
  );
  drawBacktests(drawn, series, first, second);
  return sentence;
}

function rowsOf(first, second) {
  const models = [first, second].map(({ model, answer }, k) => ({ name: model.name, kind: k ? "other" : "model", row: answer.accuracy.find(isOwn) }));
  const simple = Object.entries(SIMPLE).map(([name, text]) => ({ name: text, kind: "simple", row: first.answer.accuracy.find((row) => row.model === name) }));
  return [...models, ...simple];
}

function errorOf({ answer }) {
  return answer.accuracy.find(isOwn).MAE;
}

function outcome(first, second) {
  const [best, other] = errorOf(first) <= errorOf(second) ? [first, second] : [second, first];
  const [least, most] = [errorOf(best), errorOf(other)];
  if (least === null || most === null) return "There is nothing to compare: no value came at these cutoffs.";
  if (best.model.name === other.model.name) return `${best.model.name} is compared with itself: an error of ${number(least)} both times.`;
  const found = difference(least, most);
  if (found === null) return `${best.model.name} and ${other.model.name} are equally good here: an error of ${number(least)}.`;
  return `${best.model.name} is better here: its error of ${number(least)} is ${found} than the ${number(most)} of ${other.model.name}.`;
}

function warnings(first, second, only) {
  const learned = [first, second].filter(({ model }) => model.info.training);
  const said = [...new Set(learned.map(({ model }) => `${model.name} learned from values from ${moment(model.info.training.first)} to ${moment(model.info.training.last)}.`))];
  const texts = only === null ? [] : [`The whole file is too much for one request. This is the series ${only} alone.`];
  if (said.length) texts.push(`${said.join(" ")} A model that has learned from the very values it is tested on looks better here than it is on new ones; the base weights have not seen them.`);
  if (first.answer.series !== second.answer.series) texts.push("One of the two could not forecast some series, so they were not tested on the same ones.");
  if (first.answer.season !== second.answer.season) texts.push("The two count with seasons of different lengths, so their MASE does not compare.");
  return texts.map((text) => make("div.notice.warning", {}, make("p", {}, text)));
}

function table(rows, levels) {
  const measures = [
    ...["MAE", "RMSE", "sMAPE", "WAPE", "MASE", "pinball", ...levels.map((level) => `MSIS_${level}`)].map((name) => [name, (value) => value]),
    ...levels.map((level) => [`coverage_${level}`, (value) => Math.abs(value - level / 100)]),
  ];
  const best = measures.map(([name, badness]) => {
    const values = rows.map(({ row }) => row[name]).filter((value) => value !== null);
    return Math.min(...values.map(badness));
  });
  const shown = (name, value) => (name.startsWith("coverage") || name === "WAPE" ? percent(value) : number(value));
  const cell = (row, [name, badness], k) => {
    const isBest = row[name] !== null && badness(row[name]) === best[k];
    return isBest ? make("strong", { title: "best" }, shown(name, row[name])) : shown(name, row[name]);
  };
  return makeTable(
    "The best of each in bold: the smallest error, and the share in an interval that is nearest to its level.",
    ["Method", ...measures.map(([name]) => name.replace(/^coverage_(.*)/, "In $1 %").replace("_", " "))],
    rows.map(({ name, row }) => [name, ...measures.map((measure, k) => cell(row, measure, k))]),
  );
}
