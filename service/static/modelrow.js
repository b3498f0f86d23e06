// One model of the list: what it forecasts, how good it is, what else it says of itself.

import { accuracyTable, accuracyView } from "./accuracy.js";
import { isForecaster } from "./catalogue.js";
import { fill, make, makeTable } from "./dom.js";
import { count, number } from "./format.js";
import { VersionList, madeAt } from "./versions.js";
import { instant, moment, pace, span } from "./wording.js";

const STATUS = {
  ready: ["good", "✓ ready"],
  failed: ["error", "✕ cannot answer"],
  unpublished: ["warning", "○ not published"],
};
const FAULTS = {
  damaged: "its files are damaged",
  "newer-format": "a newer release of this software wrote it",
  "missing-version": "that version is not there",
  "no-forecast": "it loads, and what it forecasts is not finite",
  "not-served": "it is of a kind that answers in the library only, such as a classifier of sequences",
  unavailable: "the place where models are stored does not answer",
  error: "it could not be loaded; the log of the service says why",
};

/** The element of a model, kept as long as the list has it: what is open in it stays open. */
export class ModelRow {
  /**
   * @param {string} name
   * @param {(name: string) => void} forecastWith  called when the user wants to forecast with it
   */
  constructor(name, forecastWith) {
    this.forecastWith = forecastWith;
    this.head = make("div");
    this.more = make("div");
    this.versions = new VersionList(name);
    this.details = make("details", {}, make("summary", {}, "All it says about itself"), this.more);
    this.element = make("li", { dataset: { model: name } }, this.head, this.versions.element, this.details);
    this.said = "";
  }

  /** Bring it up to date with a description of /v1/models. */
  show(model) {
    const saying = JSON.stringify(model);
    if (saying === this.said) return;
    this.said = saying;
    fill(this.head, heading(model), ...notices(model), body(model), this.actions(model));
    fill(this.more, ...everything(model));
    this.details.hidden = model.status !== "ready";
    this.versions.show(model);
  }

  actions(model) {
    if (model.status !== "ready" || !isForecaster(model)) return null;
    const asked = { href: "#forecast", "aria-label": `Forecast with it: ${model.name}`, onclick: () => this.forecastWith(model.name) };
    return make("p.actions", {}, make("a.button", asked, "Forecast with it"));
  }
}

function heading({ name, status, default: isDefault }) {
  const [kind, text] = STATUS[status];
  return make(
    "div.title",
    {},
    make("h3", {}, name),
    make(`span.badge.${kind}`, {}, text),
    isDefault ? make("span.badge", { title: "It answers requests that name no model" }, "default") : null,
  );
}

function notices({ status, fault }) {
  if (fault === null) return status === "unpublished" ? [make("p.hint", {}, "It has versions, and none was put into use. Publish one below.")] : [];
  const why = FAULTS[fault] ?? fault;
  const text = status === "ready" ? `A newer version should answer and cannot: ${why}. The one before goes on.` : `It cannot answer: ${why}.`;
  return [make(`div.notice.${status === "ready" ? "warning" : "error"}`, {}, make("p", {}, text))];
}

function body({ status, version, info }) {
  if (status !== "ready") return null;
  if (info.kinds) return baseFacts(info.kinds);
  if (info.kind === "symbols") return symbolFacts(version, info);
  const { frequency, horizon, season, training, accuracy } = info;
  const kind = `${pace(frequency)}, ${span(horizon, frequency)} ahead${season > 1 ? `, season of ${span(season, frequency)}` : ""}`;
  return make(
    "div.about",
    {},
    facts({ Forecasts: kind, "Learned from": learnedFrom(training), Made: madeAt(version), Networks: networksOf(info) }),
    accuracyView(accuracy, span(horizon, frequency)),
  );
}

function facts(said) {
  const given = Object.entries(said).filter(([, text]) => text);
  return make("dl.facts", {}, ...given.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
}

function baseFacts(kinds) {
  const names = Object.keys(kinds);
  return facts({
    Forecasts: `Series of any frequency, ${names[0]} to ${names.at(-1)}, with any season`,
    "Learned from": "Many series of each kind, yours not among them. Compare it with a model of your own below.",
  });
}

/** What is said of a model that tells what comes next in a text. */
function symbolFacts(version, info) {
  const { vocabulary, training, accuracy } = info;
  const { units } = vocabulary;
  const wavers = accuracy && `Perplexity ${number(accuracy.perplexity)} on what was held out, by which its weights were chosen: it wavers as between so many ${units}. Counting triples: ${number(accuracy.trigram)}.`;
  return make(
    "div.about",
    {},
    facts({
      Tells: `What comes next in a text, of ${count(vocabulary.size, units)} that it knows`,
      "Learned from": `${count(training.sequences, "sequences")}, ${count(training.values, units)}`,
      Made: madeAt(version),
      Networks: networksOf(info),
    }),
    wavers ? make("p.hint", {}, wavers) : null,
    make("p.hint", {}, "It forecasts no series. Programs ask it by ", make("code", {}, "POST /v1/next"), "."),
  );
}

function learnedFrom({ series, values, first, last }) {
  return `${count(series, "series")}, ${count(values, "values")}, ${moment(first, true)} to ${moment(last, true)}`;
}

function networksOf({ architecture }) {
  const { cell, networks, weights } = architecture;
  const units = cell === "lstm" ? "units" : `${cell.toUpperCase()} units`;
  const sizes = [...new Set(networks.map(({ layers, hidden }) => `${count(layers, "layers")} of ${count(hidden, units)}`))];
  return `${count(networks.length, "networks")} with ${sizes.join(" or ")}, ${count(weights, "weights")} in all`;
}

function everything({ version, loaded, sha256, info }) {
  const rows = [["version", version], ["loaded", instant(loaded)], ...flat(info)];
  return [
    info.kind === "symbols" ? null : accuracyTable(info.accuracy),
    region("Metadata", makeTable("The version that answers, and what its model.json holds", ["Name", "Value"], rows, { class: "text" })),
    region("Digests", makeTable("SHA-256 of its files", ["File", "Digest"], Object.entries(sha256), { class: "text" })),
  ];
}

function region(name, table) {
  return make("div.wide.tall", { role: "region", "aria-label": name, tabindex: 0 }, table);
}

/** Return nested names and values as rows: architecture.weights, 119672. */
function flat(value, path = "") {
  if (Array.isArray(value) && value.every((item) => typeof item !== "object")) return [[path, value.map((item) => String(item)).join(", ")]];
  if (value === null || typeof value !== "object") return [[path, String(value ?? "none")]];
  const name = Array.isArray(value) ? (key) => `${path}[${key}]` : (key) => (path ? `${path}.${key}` : key);
  return Object.entries(value).flatMap(([key, item]) => flat(item, name(key)));
}
