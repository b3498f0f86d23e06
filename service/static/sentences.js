// What a unit did at a step, in plain words with its numbers; docs/lstm.md has the equations that are cited.

/** Return a share of one as "93 %"; near the ends with a decimal more. */
export function share(value) {
  if (value === null) return "an unknown share";
  const percent = 100 * value;
  const near = percent < 1 || percent > 99;
  return `${near ? percent.toFixed(1).replace(/\.0$/, "") : Math.round(percent)} %`;
}

/** Return a value with two decimals and a true minus. */
export function decimal(value) {
  return value === null ? "unknown" : value.toFixed(2).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "");
}

/**
 * Return what a unit remembered before a step; null where that is not known.
 *
 * @param {object} layer  of /v1/explain
 * @param {number} unit
 * @param {number} step
 * @param {number} padding  steps that the network ran over before the first
 */
export function memoryBefore(layer, unit, step, padding) {
  if (step > 0) return layer.cell_state[unit][step - 1];
  return padding === 0 ? 0 : null;
}

/**
 * Return what happened in a cell of the heat maps, a sentence for each of them.
 *
 * @param {object} layer  of /v1/explain
 * @param {number} unit
 * @param {number} step
 * @param {string} when  the step in words
 * @param {number} [padding]
 */
export function sentencesAt(layer, unit, step, when, padding = 0) {
  const at = (name) => layer[name][unit][step];
  const [forget, input, output, candidate, cell] = ["forget_gate", "input_gate", "output_gate", "candidate", "cell_state"].map(at);
  const before = memoryBefore(layer, unit, step, padding);
  const who = `At ${when} unit ${unit}`;
  return {
    forget_gate: before === 0 ? `${who} had nothing to remember yet; it would have kept ${share(forget)}.` : `${who} kept ${share(forget)} of what it remembered${before === null ? "" : `, ${decimal(before)}`}.`,
    input_gate: `${who} let in ${share(input)} of the new value ${decimal(candidate)}.`,
    candidate: `At ${when} the new value offered to unit ${unit} was ${decimal(candidate)}, between −1 and 1.`,
    cell_state: `At ${when} the memory of unit ${unit} ${memory(forget, before, input, candidate, cell)}.`, // (6)
    output_gate: `${who} showed ${share(output)} of its memory${squeezed(cell)}: ${decimal(at("hidden_state"))} went on.`, // (7)
  };
}

/** What is shown of a memory is a share of its tanh, which is nearly the same near zero. */
function squeezed(cell) {
  const [is, becomes] = [decimal(cell), decimal(cell === null ? null : Math.tanh(cell))];
  return is === becomes ? ` ${is}` : ` ${is}, squeezed to ${becomes}`;
}

function memory(forget, before, input, candidate, cell) {
  const added = decimal(input * candidate);
  if (before === null) return `came to ${decimal(cell)}, of which ${added} is new`;
  return `went from ${decimal(before)} to ${decimal(cell)}: ${decimal(forget * before)} was kept and ${added} added`;
}

/** Return the whole of it for a screen reader. */
export function summaryAt(layer, unit, step, when, padding = 0) {
  const at = (name) => layer[name][unit][step];
  const before = memoryBefore(layer, unit, step, padding);
  const kept = `kept ${share(at("forget_gate"))} of ${before === null ? "what it remembered" : decimal(before)}`;
  const added = `let in ${share(at("input_gate"))} of the new value ${decimal(at("candidate"))}`;
  return `${when}, unit ${unit}: ${kept}, ${added}, remembers ${decimal(at("cell_state"))}, shows ${share(at("output_gate"))} of it.`;
}
