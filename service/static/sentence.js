// What a forecast says, and how much it can be trusted, in two plain sentences.

import { isOwn, medianOf } from "./cell.js";
import { roughly } from "./format.js";
import { between, span } from "./wording.js";

const SAME = 0.01; // a smaller difference is none

/** Return what a forecast says: its mean, beside that of as many steps before it. */
export function outlookSentence(series, forecast, freq) {
  const h = forecast.ds.length;
  const mean = meanOf(medianOf(forecast));
  const before = meanOf(series.y.slice(-h).filter((y) => y !== null));
  const next = h === 1 ? `is expected at ${roughly(mean)} for the next step (${between(forecast.ds[0], forecast.ds[0])})` : `is expected to average ${roughly(mean)} over the next ${span(h, freq)} (${between(forecast.ds[0], forecast.ds.at(-1))})`;
  const change = before === null ? "" : `, ${changeOf(mean, before, hasRatios(series.y))} in the ${span(Math.min(h, series.y.length), freq)} before`;
  return `${series.unique_id} ${next}${change}.`;
}

/** Return how far the model was off in the backtest, beside the seasonal naive forecast. */
export function comparisonSentence(answer, freq) {
  const error = (isIt) => answer.accuracy.find(isIt)?.MAE ?? null;
  const [model, naive] = [error(isOwn), error((row) => row.model === "SeasonalNaive")];
  if (model === null) return "";
  const tested = `Tested on the last ${span(answer.h, freq)}, the model was off by ${roughly(model)} on average`;
  return naive === null ? `${tested}.` : `${tested}, ${comparedWith(model, naive)}.`;
}

function comparedWith(model, naive) {
  const other = `the seasonal naive forecast (${roughly(naive)})`;
  if (naive === 0) return model === 0 ? `as was ${other}` : `while ${other.replace(" (0)", "")} was exact`;
  const share = model / naive - 1;
  if (Math.abs(share) < SAME) return `as much as ${other}`;
  if (share > 1) return `${roughly(model / naive)} times as much as ${other}`;
  return `${roughly(Math.round(100 * Math.abs(share)))} % ${share < 0 ? "less" : "more"} than ${other}`;
}

/** Of values that can be negative, such as degrees, nobody can say how many per cent more they are. */
function hasRatios(values) {
  return values.every((y) => y === null || y >= 0);
}

function changeOf(now, before, inPerCent) {
  const share = inPerCent && before > 0 ? now / before - 1 : null;
  if (roughly(now) === roughly(before) || (share !== null && Math.abs(share) < SAME)) return `about as much as the ${roughly(before)}`;
  const way = now > before ? "up" : "down";
  const much = share === null || Math.abs(share) > 2 ? "" : ` ${roughly(Math.round(100 * Math.abs(share)))} %`;
  return `${way}${much} from ${roughly(before)}`;
}

function meanOf(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}
