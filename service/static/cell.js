// What an answer calls the forecast of a model: after the cell of its networks.

const CELLS = ["LSTM", "GRU", "RNN"];

/** Return the cell that the columns of a forecast are called after. @param {object} forecast  of one series */
export function cellOf(forecast) {
  return CELLS.find((name) => name in forecast);
}

/** Return what is most likely at each step. @param {object} forecast  of one series */
export function medianOf(forecast) {
  return forecast[cellOf(forecast)];
}

/** Return the levels of a forecast's intervals, and their ends. @param {object} forecast  of one series */
export function intervalsOf(forecast) {
  const [low, high] = ["lo", "hi"].map((side) => `${cellOf(forecast)}-${side}-`);
  const levels = Object.keys(forecast).filter((name) => name.startsWith(low)).map((name) => name.slice(low.length));
  return levels.map((level) => ({ level, low: forecast[low + level], high: forecast[high + level] }));
}

/** Whether a row of the accuracy in a backtest is the model's own, and not that of a simple method. */
export function isOwn({ model }) {
  return CELLS.includes(model);
}
