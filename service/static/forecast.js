// The section "Forecast": a file in, the forecast of one series seen, the others at hand.

import { refreshModels } from "./catalogue.js";
import { ColumnsForm } from "./columns.js";
import { byId, offerRemedy, showProblem } from "./dom.js";
import { FindingsList, summary } from "./findings.js";
import { count } from "./format.js";
import { Latest, whileBusy } from "./latest.js";
import { givenOptions } from "./options.js";
import { Outlook } from "./outlook.js";
import { WholeFile } from "./queue.js";
import { listenForSources } from "./source.js";
import { get, set } from "./store.js";
import { inspect } from "./table.js";
import { between, pace, size } from "./wording.js";

let section = null;

/** Start the section. */
export function startForecast(view) {
  section = new ForecastSection(view);
}

/** Open a source as if somebody had chosen it here. @param {import("./table.js").Source} source */
export function openSource(source) {
  section.take(source);
}

class ForecastSection {
  constructor(view) {
    this.inspections = new Latest();
    this.outlook = new Outlook();
    this.wholeFile = new WholeFile(byId("whole-file"), givenOptions);
    this.columns = new ColumnsForm(byId("columns"), (chosen) => this.#read(get("source"), chosen));
    this.findings = new FindingsList(byId("findings"), (id) => this.outlook.choose(get("table").series.indexOf(id)));
    this.#listen(view);
  }

  #listen(view) {
    listenForSources(view, (source) => this.take(source), (problem) => showProblem(byId("source-problem"), problem));
    toggles("columns-open", "columns");
    toggles("findings-open", "findings");
    byId("source-other").addEventListener("click", () => this.#offer(byId("source-start").hidden));
  }

  /** Show where a file can be given, or hide it; the one at hand stays until another is there. */
  #offer(isShown) {
    byId("source-start").hidden = byId("forecast-lead").hidden = !isShown;
    byId("source-other").setAttribute("aria-expanded", String(isShown));
    if (!isShown) return;
    byId("source-choose").focus();
    window.scrollTo({ top: 0 });
  }

  /** Take a file, or what stands for one. */
  take(source) {
    this.columns.forget();
    open("columns-open", "columns", false);
    open("findings-open", "findings", false);
    this.wholeFile.turnTo(null);
    set({ source, table: null, options: { ...get("options"), h: null, season: null } });
    this.#offer(false);
    byId("source-bar").hidden = false;
    byId("source-title").textContent = source.name;
    byId("source-facts").textContent = `${size(source.blob.size)}, being read`;
    this.#read(source, {});
  }

  /** Have the service read the file, and show what it found. */
  async #read(source, chosen) {
    const signal = this.inspections.next();
    const models = get("models").length ? null : refreshModels().catch(() => null); // at once; its fault shows with the forecast
    showProblem(byId("source-problem"), null);
    try {
      const table = await whileBusy(byId("source-bar"), inspect(source, chosen, signal));
      await models;
      if (!signal.aborted) this.#show(table);
    } catch (problem) {
      if (problem.name !== "AbortError") this.#showUnread(problem, () => this.#read(source, chosen));
    }
  }

  #show(table) {
    const { found, source } = table;
    byId("source-facts").textContent = factsOf(found, source, table.isHead);
    this.columns.show(found);
    this.#showFindings(table);
    open("columns-open", "columns", isOpen("columns") || table.series.length === 0);
    set({ table, chosen: 0 });
    this.wholeFile.turnTo(table);
    if (!table.series.length) showProblem(byId("source-problem"), new Error("No series of this file can be forecast. The findings say why; perhaps the columns are others."));
  }

  #showFindings(table) {
    const { findings } = table.found;
    byId("findings-open").hidden = findings.length === 0;
    byId("findings-open").textContent = summary(findings);
    byId("findings-open").className = findings[0]?.severity ?? "";
    this.findings.show(table.found, new Set(table.series));
    open("findings-open", "findings", findings.length > 0 && (isOpen("findings") || findings[0].severity === "error"));
  }

  /** The columns may be the reason; they can be named then. */
  #showUnread(problem, again) {
    set({ table: null });
    byId("findings-open").hidden = true;
    open("findings-open", "findings", false);
    this.wholeFile.turnTo(null);
    this.columns.showUnread();
    open("columns-open", "columns", problem.status === 422);
    byId("source-facts").textContent = size(get("source").blob.size);
    showProblem(byId("source-problem"), problem);
    if (problem.mayPass) offerRemedy(byId("source-problem"), "Try again", again);
  }
}

function toggles(opener, panel) {
  byId(opener).addEventListener("click", () => open(opener, panel, !isOpen(panel)));
}

function open(opener, panel, isIt) {
  byId(panel).hidden = !isIt;
  byId(opener).setAttribute("aria-expanded", String(isIt));
}

function isOpen(panel) {
  return !byId(panel).hidden;
}

function factsOf({ series, rows, freq, timezone }, source, isHead) {
  const parts = [isHead ? `${size(source.blob.size)}, of which the first ${count(rows, "rows")} are shown` : count(rows, "rows"), count(series.length, "series")];
  if (freq) parts.push(pace(freq).toLowerCase());
  if (series.length) parts.push(spanOf(series));
  if (timezone) parts.push(timezone);
  return parts.join(" · ");
}

function spanOf(series) {
  const start = series.reduce((least, one) => (one.start < least ? one.start : least), series[0].start);
  const end = series.reduce((most, one) => (one.end > most ? one.end : most), series[0].end);
  return between(start, end);
}
