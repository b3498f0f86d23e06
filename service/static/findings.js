// What is wrong or odd in a file, by line, and what will be done about it.

import { fill, make } from "./dom.js";
import { count } from "./format.js";

const KINDS = {
  error: { word: "Error", noun: "errors", sign: "✕" },
  warning: { word: "Warning", noun: "warnings", sign: "!" },
  info: { word: "Note", noun: "notes", sign: "i" },
};
const FIRST = 4; // shown until all are asked for

/** Return such as "1 error, 3 warnings"; of kinds that are there. */
export function summary(findings) {
  return Object.entries(KINDS)
    .map(([kind, { noun }]) => [findings.filter((one) => one.severity === kind).length, noun])
    .filter(([many]) => many > 0)
    .map(([many, noun]) => count(many, noun))
    .join(", ");
}

/** The list of findings; `choose` is called with the id of a series that somebody wants to see. */
export class FindingsList {
  constructor(place, choose) {
    this.place = place;
    this.choose = choose;
  }

  /** Show the findings of a file. */
  show({ findings, findings_total }, readable) {
    Object.assign(this, { findings, total: findings_total, readable, kind: null, all: false });
    this.#draw();
  }

  #draw() {
    const wanted = this.findings.filter((one) => !this.kind || one.severity === this.kind);
    const seen = this.all ? wanted : wanted.slice(0, FIRST);
    fill(
      this.place,
      this.#head(),
      make("ul.findings", {}, ...seen.map((one) => this.#entry(one))),
      seen.length < wanted.length ? this.#more(wanted.length) : null,
      this.findings.length < this.total ? make("p.hint", {}, `The file has ${count(this.total, "findings")}; the ${this.findings.length} gravest are listed.`) : null,
    );
  }

  #head() {
    const kinds = Object.keys(KINDS).filter((kind) => this.findings.some((one) => one.severity === kind));
    if (kinds.length < 2) return make("h3", {}, summary(this.findings));
    const choice = (kind, text) =>
      make("button.tool", { type: "button", "aria-pressed": String(this.kind === kind), onclick: () => this.#filter(kind) }, text);
    const many = (kind) => this.findings.filter((one) => one.severity === kind).length;
    return make(
      "div.findings-head",
      { role: "group", "aria-label": "Which are shown" },
      choice(null, `All ${this.findings.length}`),
      ...kinds.map((kind) => choice(kind, count(many(kind), KINDS[kind].noun))),
    );
  }

  #filter(kind) {
    this.kind = kind;
    this.#draw();
    this.place.querySelector("[aria-pressed=true]")?.focus();
  }

  #more(many) {
    const showAll = () => {
      this.all = true;
      this.#draw();
      this.place.querySelectorAll(".findings > li")[FIRST]?.focus();
    };
    return make("p", {}, make("button", { type: "button", onclick: showAll }, `Show all ${many}`));
  }

  #entry(where) {
    const { line, unique_id, severity, problem, action } = where;
    const { word, sign } = KINDS[severity];
    const isSeen = unique_id !== null && this.readable.has(unique_id);
    const series = isSeen ? make("button.link", { type: "button", onclick: () => this.choose(unique_id) }, unique_id) : unique_id && make("span", {}, unique_id);
    return make(
      `li.finding.${severity}`,
      { tabindex: "-1" },
      make("span.finding-kind", {}, make("span.sign", { "aria-hidden": "true" }, sign), word),
      make("span.finding-where", {}, line === null ? null : make("span", {}, `Line ${line}`), series),
      make("span.finding-text", {}, make("span", {}, `${withoutPlace(problem, where)} `), make("span.hint", {}, action)),
    );
  }
}

/** Messages begin with the place they are about, which stands beside them here. */
function withoutPlace(problem, { line, column, unique_id }) {
  const openings = [`Line ${line}, column '${column}': `, `Series '${unique_id}', line ${line}, column '${column}': `, `Series '${unique_id}', line ${line}: `, `Line ${line}: `];
  const opening = openings.find((text) => problem.startsWith(text)) ?? "";
  const rest = problem.slice(opening.length);
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}
