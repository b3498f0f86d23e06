// How a file is read: which column holds what, the frequency, the time zone. What is changed is asked for anew.

import { fill, make } from "./dom.js";
import { count } from "./format.js";

const NONE = "-1"; // no column at all
const FREQUENCIES = { D: "days", B: "business days", W: "weeks", MS: "months, first days", ME: "months, last days", QS: "quarters", YS: "years", h: "hours", "15min": "quarters of an hour", 1: "whole numbers" };

/** The form of the columns; `changed` is called with the names, frequency and time zone that somebody has chosen. */
export class ColumnsForm {
  constructor(place, changed) {
    this.place = place;
    this.changed = changed;
    this.chosen = {};
  }

  /** Forget what was chosen: another file has come. */
  forget() {
    this.chosen = {};
  }

  /** Show how a file was read. */
  show(found) {
    const names = found.columns.map((column) => column.name);
    const at = (role) => String(found.columns.findIndex((column) => column.role === role));
    fill(
      this.place,
      make("p.columns-layout", {}, layoutText(found)),
      make(
        "div.row",
        {},
        this.#select("Names of the series", "id_col", names, at("id"), "There is no such column"),
        this.#select("Times", "time_col", names, at("time"), null),
        this.#select("Values", "target_col", names, at("target"), "Every other column is a series"),
        this.#frequency(found.freq ?? ""),
        this.#zone(found.timezone ?? ""),
      ),
    );
  }

  /** Show fields for the names, of a file whose columns are not known: it could not be read. */
  showUnread() {
    const field = (label, key) => this.#text(label, key, this.chosen[key] ?? "", { placeholder: "Name of the column" });
    fill(
      this.place,
      make("p.columns-layout", {}, "Say which column holds what; what is left empty is told from the file."),
      make("div.row", {}, field("Names of the series", "id_col"), field("Times", "time_col"), field("Values", "target_col"), this.#frequency(""), this.#zone("")),
    );
  }

  #take(key, value) {
    this.chosen = { ...this.chosen, [key]: value };
    this.changed(this.chosen);
  }

  #select(label, key, names, now, none) {
    const options = names.map((name, place) => make("option", { value: place, selected: String(place) === now, disabled: !name }, name || `(column ${place + 1}, without a name)`));
    if (none) options.unshift(make("option", { value: NONE, selected: now === NONE }, none));
    const onchange = (event) => this.#take(key, event.target.value === NONE ? "" : names[event.target.value]);
    return labelled(label, make("select", { id: `columns-${key}`, onchange }, ...options));
  }

  #text(label, key, value, more) {
    const onchange = (event) => this.#take(key, event.target.value.trim() || null);
    return labelled(label, make("input", { id: `columns-${key}`, type: "text", value, spellcheck: "false", autocomplete: "off", onchange, ...more }));
  }

  #frequency(value) {
    const field = this.#text("Frequency", "freq", this.chosen.freq ?? value, { list: "frequencies", placeholder: "D, W, MS, h …" });
    field.append(make("datalist", { id: "frequencies" }, ...Object.entries(FREQUENCIES).map(([alias, text]) => make("option", { value: alias }, text))));
    return field;
  }

  #zone(value) {
    const field = this.#text("Time zone", "timezone", this.chosen.timezone ?? value, { list: "zones", placeholder: "none" });
    field.append(make("datalist", { id: "zones" }, ...Intl.supportedValuesOf("timeZone").map((zone) => make("option", { value: zone }))));
    return field;
  }
}

function labelled(text, control) {
  return make("div.field", {}, make("label", { for: control.id }, text), control);
}

function layoutText({ layout, columns, rows }) {
  const name = (role) => columns.find((column) => column.role === role)?.name;
  const many = columns.filter((column) => column.role === "series").length;
  const texts = {
    long: `Each of the ${count(rows, "rows")} holds one value of one series: “${name("id")}” says of which, “${name("time")}” when, “${name("target")}” how much.`,
    single: `All ${count(rows, "rows")} are one series: “${name("time")}” says when, “${name("target")}” how much.`,
    wide: `A wide table: beside “${name("time")}” each column is a series of its own, ${many} in all.`,
  };
  return texts[layout];
}
