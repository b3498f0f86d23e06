// How to forecast: horizon, levels of the intervals, model, season. What is left empty is what the model has.

import { isBase, isForecaster, usualForecaster } from "./catalogue.js";
import { fill, make } from "./dom.js";
import { get, onChange, set } from "./store.js";
import { pace, unitName } from "./wording.js";

const LEVELS = [50, 80, 90, 95];
const MOST_LEVELS = 10;
const TYPING = 350; // milliseconds after which a number is taken to be whole

/** The fields of the options; they write into the store. */
export class OptionFields {
  constructor(place) {
    this.own = new Set(); // levels that somebody has added
    this.horizon = numberField("Horizon", "option-h", (h) => change({ h }));
    this.season = numberField("Season", "option-season", (season) => change({ season }));
    this.model = make("select", { id: "option-model", onchange: () => change({ model: this.model.value }) });
    this.levels = make("div.levels");
    const levels = make("fieldset.field.levels-field", {}, make("legend", {}, "Intervals, per cent"), this.levels);
    place.append(this.horizon.element, field("Model", this.model, "model-field"), this.season.element, levels);
    onChange(["models", "options", "table"], () => this.show());
    this.show();
  }

  /** Show what is chosen. */
  show() {
    const { h, season } = get("options");
    const { freq = null, season: usual = null } = get("table")?.found ?? {};
    const model = chosenModel();
    this.horizon.show(h, null, `Horizon, ${unitName(freq)}`);
    this.season.show(season, model?.info?.season ?? usual, "Season, steps");
    this.season.input.disabled = Boolean(model) && !isBase(model);
    this.season.input.title = this.season.input.disabled ? "A trained model has its own season." : "";
    this.#showModels();
    this.#showLevels();
  }

  /** Say which horizon a forecast had that was not told one. */
  tellHorizon(h) {
    this.horizon.input.placeholder = h;
  }

  #showModels() {
    const models = get("models").filter(isForecaster).sort((one, other) => isBase(other) - isBase(one));
    fill(this.model, ...models.map((model) => make("option", { value: model.name, disabled: model.status !== "ready" }, modelText(model))));
    this.model.value = chosenModel()?.name ?? "";
  }

  #showLevels() {
    const { level } = get("options");
    const offered = [...new Set([...LEVELS, ...this.own, ...level])].sort((one, other) => one - other);
    const buttons = offered.map((each) =>
      make("button.tool", { type: "button", "aria-pressed": String(level.includes(each)), onclick: () => this.#toggle(each) }, String(each)),
    );
    const focused = [...this.levels.children].indexOf(document.activeElement);
    fill(this.levels, ...buttons, this.#other());
    if (focused >= 0) this.levels.children[focused]?.focus();
  }

  #other() {
    const add = (event) => {
      const level = Number(event.target.value);
      if (!(level > 0 && level < 100)) return void (event.target.value = "");
      this.own.add(level);
      if (!get("options").level.includes(level)) this.#toggle(level);
    };
    return make("input.level-other", { type: "text", inputmode: "decimal", autocomplete: "off", placeholder: "other", "aria-label": "Another level, per cent", onchange: add });
  }

  #toggle(each) {
    const { level } = get("options");
    const others = level.filter((one) => one !== each);
    const next = others.length < level.length ? others : [...level, each].slice(-MOST_LEVELS);
    change({ level: next.sort((one, other) => one - other) });
  }
}

function change(changes) {
  set({ options: { ...get("options"), ...changes } });
}

/** Return the model that is chosen, as /v1/models describes it. */
export function chosenModel() {
  const { model } = get("options");
  return model === null ? usualForecaster() : (get("models").find(({ name }) => name === model) ?? null);
}

/** Return the options that a request names: what is empty is left to the service, a season to models that have none. */
export function givenOptions() {
  const { h, level, model, season } = get("options");
  const chosen = chosenModel();
  const named = model ?? (chosen?.default ? null : (chosen?.name ?? null)); // the service's default may forecast nothing
  const own = { h, level, model: named, season: isBase(chosen) ? season : null };
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== null));
}

function modelText({ name, status, info }) {
  if (status !== "ready") return `${name} (${status})`;
  return info.kinds ? `${name}: any series` : `${name}: ${pace(info.frequency).toLowerCase()}`;
}

function field(label, control, kind = "number-field") {
  return make(`div.field.${kind}`, {}, make("label", { for: control.id }, label), control);
}

/** A field for a whole number; empty is null. */
function numberField(label, id, changed) {
  const input = make("input", { id, type: "number", min: "1", step: "1", inputmode: "numeric" });
  const element = field(label, input);
  const take = () => {
    const isEmpty = input.value.trim() === "" && !input.validity.badInput;
    const isRight = isEmpty || (Number.isInteger(Number(input.value)) && Number(input.value) > 0);
    input.setAttribute("aria-invalid", String(!isRight));
    if (isRight) changed(isEmpty ? null : Number(input.value));
  };
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(take, TYPING);
  });
  return { element, input, show: (value, usual, text) => showNumber(element, input, value, usual, text) };
}

function showNumber(element, input, value, usual, text) {
  element.firstChild.textContent = text;
  if (document.activeElement !== input) input.value = value ?? "";
  if (usual !== null) input.placeholder = usual;
}
