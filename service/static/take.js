// What can be taken away: tables, a picture, and the same forecast by curl or Python.

import { askFile } from "./api.js";
import { cellOf } from "./cell.js";
import { chartPicture } from "./chart-picture.js";
import { copy } from "./clipboard.js";
import { announce, download, fill, make, showProblem } from "./dom.js";
import { count } from "./format.js";
import { hasKey } from "./key.js";
import { whileBusy } from "./latest.js";
import { forecastInQueue } from "./queue.js";
import { curlOf, pythonOf } from "./snippets.js";

/** The buttons; `now` returns what they are about: {table, series, forecast, options, chart, says}. */
export class TakeAway {
  constructor(place, now) {
    this.now = now;
    this.written = "curl";
    this.problem = make("div");
    this.all = button("CSV of all series", () => this.#saveAll());
    this.one = button("CSV of this series", () => this.#saveOne());
    this.picture = button("PNG of the chart", () => this.#savePicture());
    this.code = make("code");
    const show = (kind) => async (event) => {
      this.written = kind;
      await this.showCode();
      copy(this.code.textContent, event.target);
    };
    this.curl = button("Copy as curl", show("curl"));
    this.python = button("Copy as Python", show("Python"));
    this.box = make("details.code", { open: true }, make("summary", {}, "The code"), make("pre", { tabindex: "0" }, this.code));
    fill(
      place,
      make("div.actions", {}, this.all, this.one, this.picture),
      this.problem,
      make("h3.code-title", {}, "The same by program"),
      make("div.actions", {}, this.curl, this.python),
      this.box,
    );
  }

  /** Show what can be taken now. */
  show() {
    const { table, forecast } = this.now();
    this.all.textContent = `CSV of all ${count(table.series.length, "series")}`;
    this.all.hidden = table.isHead || table.series.length === 1;
    this.one.disabled = this.picture.disabled = forecast === null;
    showProblem(this.problem, null);
    this.showCode();
  }

  /** Write the code anew. */
  async showCode() {
    const wish = await this.#wish();
    this.code.textContent = this.written === "curl" ? curlOf(wish) : pythonOf(wish);
  }

  async #wish() {
    const { table, forecast, options } = this.now();
    const { source, columns, reading } = table;
    const cell = forecast && cellOf(forecast);
    const text = source.origin === "pasted" ? await source.blob.text() : "";
    return { origin: location.origin, source, text, columns, options: { ...options, ...reading }, hasKey: hasKey(), cell, isLarge: table.isHead };
  }

  async #saveAll() {
    const { table, options } = this.now();
    const query = { ...table.columns, ...table.reading, ...options };
    const asked = askFile("POST", "/v1/forecast", { csv: table.source.blob, query, accept: "text/csv" });
    const file = await this.#working(this.all, asked, () => forecastInQueue(table, options, this.problem));
    if (file) this.#keep(file, nameOf(table.source.name, "forecast.csv"));
  }

  async #saveOne() {
    const { table, series, options } = this.now();
    const json = { series: [series], ...table.reading, ...options };
    const file = await this.#working(this.one, askFile("POST", "/v1/forecast", { json, accept: "text/csv" }));
    if (file) this.#keep(file, nameOf(series.unique_id, "forecast.csv"));
  }

  async #savePicture() {
    const { series, chart, says } = this.now();
    download(await chartPicture(chart, series.unique_id, says), nameOf(series.unique_id, "forecast.png"));
  }

  #keep({ headers, blob }, name) {
    const skipped = Number(headers.get("Forecast-Skipped") ?? 0);
    download(blob, name);
    const left = skipped ? `${count(skipped, "series")} could not be forecast and are not in the file; “Columns” and the findings say why.` : "";
    fill(this.problem, left ? make("p.notice.warning", { role: "status" }, left) : null);
    announce(`${name} is downloaded. ${left}`);
  }

  /** Await an answer; show what is wrong, or do something else where the file is too large for a request. */
  async #working(pressed, awaited, ifTooLarge = null) {
    showProblem(this.problem, null);
    pressed.disabled = true;
    try {
      return await whileBusy(pressed, awaited);
    } catch (problem) {
      if (problem.tooLarge && ifTooLarge) ifTooLarge();
      else showProblem(this.problem, problem);
      return null;
    } finally {
      pressed.disabled = false;
    }
  }
}

function button(text, onclick) {
  return make("button", { type: "button", onclick }, text);
}

/** Return a name for a file: that of a series or a file, without what systems do not take in names. */
function nameOf(name, kind) {
  const kept = name.replace(/\.(csv|tsv|txt)$/i, "").replace(/[^\p{L}\p{N}._ -]+/gu, "_").replace(/^[. ]+/, "").slice(0, 80);
  return `${kept || "series"}-${kind}`;
}
