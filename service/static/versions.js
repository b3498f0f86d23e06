// Versions of a model: which one answers, and how another comes to.

import { askJson } from "./api.js";
import { confirmed } from "./confirm.js";
import { announce, attempt, fill, make } from "./dom.js";
import { get, set } from "./store.js";
import { instant } from "./wording.js";

/** The list of a model's versions, asked for when it is opened. */
export class VersionList {
  constructor(name) {
    this.name = name;
    this.list = make("ul.plain.versions");
    this.problem = make("div");
    this.element = make("details", { ontoggle: () => this.element.open && this.ask() }, make("summary", {}, "Versions"), this.problem, this.list);
  }

  /** Look again where another version answers than the one that is shown. */
  show(model) {
    this.element.hidden = Boolean(model.info.kinds); // the base weights have none
    if (this.element.open && model.version !== this.shown) this.ask();
  }

  /** Look again if somebody sees it: there may be another version. */
  again() {
    if (this.element.open) this.ask();
  }

  async ask() {
    await attempt(this.problem, async () => this.fill(await askJson("GET", pathOf(this.name))));
  }

  fill(model) {
    this.shown = model.version;
    const answering = model.versions.findIndex((each) => each.answers);
    fill(this.list, ...model.versions.map((each, place) => this.line(each, place, answering, model)));
    if (!model.versions.length) fill(this.list, make("li.hint", {}, "The service knows of no versions of it."));
  }

  line({ version, answers }, place, answering, model) {
    const isNewer = answering < 0 || place < answering;
    const word = isNewer ? "Publish" : "Roll back to it";
    const action = answers
      ? make("span.badge.good", {}, "✓ answers")
      : make("button", { type: "button", "aria-label": `${word}: ${version}`, onclick: () => this.choose(version, isNewer, model) }, word);
    const made = madeAt(version);
    return make("li", { dataset: { version } }, make("span", {}, make("code", {}, version), made ? make("span.hint", {}, `made ${made}`) : null), action);
  }

  async choose(version, isNewer, model) {
    const sure = await confirmed({
      title: isNewer ? `Publish this version of ${this.name}?` : `Roll ${this.name} back?`,
      says: [
        `From then on, version ${version} answers all who ask for ${this.name}${model.version ? `, in place of ${model.version}` : ""}.`,
        "It is loaded and makes a forecast first; if it cannot, nothing changes. Nothing is lost: the other versions stay.",
      ],
      action: isNewer ? "Publish" : "Roll back",
    });
    if (sure) await attempt(this.problem, () => this.put(version));
  }

  async put(version) {
    const { versions, ...model } = await askJson("PUT", `${pathOf(this.name)}/current`, { json: { version } });
    this.fill({ ...model, versions });
    set({ models: get("models").map((each) => (each.name === model.name ? model : each)) });
    announce(`Version ${model.version} of ${this.name} answers now.`);
    this.element.querySelector("summary").focus(); // the button that had the focus is gone
  }
}

function pathOf(name) {
  return `/v1/models/${encodeURIComponent(name)}`;
}

/** Return when a version was made, which its name says; a digest in its place does not. */
export function madeAt(version) {
  const [found, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(version ?? "") ?? [];
  return found ? instant(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) : null;
}
