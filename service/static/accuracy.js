// How good a model was, beside the seasonal naive: bars, a sentence, a table.

import { fill, make, makeTable } from "./dom.js";
import { number } from "./format.js";

const BESIDE = "_seasonal_naive"; // what the measures of the seasonal naive end in, in a model's description
const MEASURES = { mae: "MAE", rmse: "RMSE", smape: "sMAPE", mase: "MASE" };

/**
 * Make bars with their names and values, longest for the largest.
 *
 * @param {{name: string, value: ?number, kind: string}[]} rows  kind: "model", "other" or "simple"
 */
export function bars(rows) {
  const most = Math.max(...rows.map((row) => row.value ?? 0));
  const line = ({ name, value, kind }) => {
    const fillOf = make(`span.bar-fill.${kind}`);
    fillOf.style.width = `${most > 0 ? (100 * (value ?? 0)) / most : 0}%`;
    return make("li", {}, make("span.bar-name", {}, name), make("span.bar", { "aria-hidden": "true" }, fillOf), make("span.number", {}, number(value)));
  };
  return make("ul.plain.bars", {}, ...rows.map(line));
}

/** Return how an error differs from another: "34 % smaller"; null where the two are as good as equal. */
export function difference(error, other) {
  const share = Math.round(100 * (error / other - 1));
  return Number.isFinite(share) && share !== 0 ? `${number(Math.abs(share))} % ${share < 0 ? "smaller" : "larger"}` : null;
}

/**
 * Make what a model's description says of its accuracy on the held-out horizon.
 *
 * @param {?object} accuracy  of model.json
 * @param {string} length  of the horizon, in words
 */
export function accuracyView(accuracy, length) {
  if (!accuracy) return make("p.hint", {}, "No series was long enough to hold values back, so nothing is known of its accuracy.");
  const [own, simple] = [accuracy.mae, accuracy[`mae${BESIDE}`]];
  if (own === undefined) return make("p.hint", {}, "Its errors are too large to be written as numbers.");
  const measured = `Mean absolute error on ${length} that were held back`;
  if (simple === undefined) return make("p.hint", {}, `${measured}: ${number(own)}.`);
  const rows = [
    { name: "this model", value: own, kind: "model" },
    { name: "seasonal naive", value: simple, kind: "simple" },
  ];
  return make("div.accuracy", {}, make("p.hint", {}, measured), bars(rows), verdict(own, simple));
}

function verdict(own, simple) {
  const found = difference(own, simple);
  const whose = "that of repeating the last season";
  if (found === null) return make("p.verdict", {}, `Its error is as large as ${whose}.`);
  return make(`p.verdict${own < simple ? ".good" : ""}`, {}, `${own < simple ? "✓ " : ""}Its error is ${found} than ${whose}.`);
}

/** Make a table of all measures that a description has; null if it has none. */
export function accuracyTable(accuracy) {
  if (!accuracy) return null;
  const rows = Object.entries(MEASURES).map(([name, text]) => [text, number(accuracy[name]), number(accuracy[name + BESIDE])]);
  return fill(make("div.wide"), makeTable("Errors on the held-out horizon", ["Measure", "This model", "Seasonal naive"], rows));
}
