// The file at hand, and what the service found in it. Files are read by the service alone: there is one reader of CSV
// and one calendar, and what the page shows is what a model sees.

import { askJson } from "./api.js";

/**
 * Where series come from.
 *
 * @typedef {object} Source
 * @property {string} name  of the file
 * @property {Blob} blob
 * @property {"file"|"pasted"|"sample"} origin
 * @property {?string} path  of a sample, on this service
 */

const HEAD_BYTES = 256 * 1024; // of a file that goes to the queue: what its columns are told from
const LEAST_HEAD_BYTES = 1024;

/** What a file holds: the answer of /v1/inspect, with its series at hand. */
export class Table {
  constructor(source, found, { isHead = false } = {}) {
    this.source = source;
    this.found = found;
    this.isHead = isHead; // whether it is the first lines only, of a file too large for one request
    this.series = found.values?.unique_id ?? [];
    this.begins = [0];
    for (const size of found.values?.sizes ?? []) this.begins.push(this.begins.at(-1) + size);
  }

  /** Return one series as a request takes it: unique_id, ds, y. */
  at(place) {
    const { ds, y } = this.found.values;
    const [begin, end] = [this.begins[place], this.begins[place + 1]];
    return { unique_id: this.series[place], ds: ds.slice(begin, end), y: y.slice(begin, end) };
  }

  /** Options that every request for this table needs, in JSON or in a query string. */
  get reading() {
    const { freq, timezone } = this.found;
    return { freq, timezone };
  }

  /** Options that a request needs which sends the file itself; null where it needs none. */
  get columns() {
    const { id_col, time_col, target_col } = this.found;
    return { id_col, time_col, target_col };
  }
}

/**
 * Have the service read a file.
 *
 * @param {Source} source
 * @param {object} chosen  columns, freq and timezone where the user has chosen them
 * @param {AbortSignal} signal
 * @returns {Promise<Table>}
 */
export async function inspect(source, chosen, signal) {
  const most = Number(document.body.dataset.maxBytes);
  if (source.blob.size <= most) {
    try {
      return new Table(source, await inspected(source.blob, chosen, signal));
    } catch (problem) {
      if (!problem.tooLarge) throw problem;
    }
  }
  return new Table(source, await inspectedHead(source.blob, Math.min(most, HEAD_BYTES), chosen, signal), { isHead: true });
}

function inspected(blob, chosen, signal) {
  return askJson("POST", "/v1/inspect", { csv: blob, query: { ...chosen, values: true }, signal });
}

/** The first lines of a file; fewer where a request may not hold as many series or values. */
async function inspectedHead(blob, most, chosen, signal) {
  try {
    return await inspected(await headOf(blob, most), chosen, signal);
  } catch (problem) {
    if (!problem.tooLarge || most < 2 * LEAST_HEAD_BYTES) throw problem;
    return inspectedHead(blob, most / 2, chosen, signal);
  }
}

async function headOf(blob, most) {
  const bytes = new Uint8Array(await blob.slice(0, most).arrayBuffer());
  const end = bytes.lastIndexOf(10);
  return new Blob([bytes.subarray(0, end < 0 ? bytes.length : end + 1)]);
}
