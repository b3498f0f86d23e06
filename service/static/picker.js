// A field to choose one of thousands by typing a part of its name: a combobox with a list, of which only the rows
// that are seen are elements.
//
//   const picker = new Picker(place, { label: "Series", chosen: (index) => … });
//   picker.setItems(["a", "b"], ["365 values", "12 values"]);
//   picker.choose(0);                                     // shows it, and tells nobody

import { fill, make } from "./dom.js";
import { count } from "./format.js";

const ROW = 40; // pixels, as in chart.css
const SEEN = 8; // rows of an open list
const SPARE = 4; // rows beyond those that are seen
const MOST_LETTERS = 200;

let number = 0;

export class Picker {
  /**
   * @param {HTMLElement} place
   * @param {object} options
   * @param {string} options.label
   * @param {(index: number) => void} options.chosen  called when somebody has chosen
   */
  constructor(place, { label, chosen }) {
    const id = `picker-${++number}`;
    this.id = id;
    this.chosen = chosen;
    this.isOpen = false;
    [this.items, this.notes, this.found, this.index, this.active] = [[], [], [], -1, -1];
    this.field = make("input", {
      id,
      type: "text",
      role: "combobox",
      autocomplete: "off",
      spellcheck: "false",
      "aria-expanded": "false",
      "aria-controls": `${id}-list`,
      "aria-autocomplete": "list",
    });
    this.rows = make("div.picker-rows");
    this.list = make("div.picker-list", { id: `${id}-list`, role: "listbox", "aria-label": label, tabindex: "-1", hidden: true }, this.rows);
    this.told = make("p.picker-told", { role: "status" });
    this.drop = make("div.picker-drop", { hidden: true }, this.list, this.told);
    this.box = make("div.picker-box", {}, this.field, this.drop);
    this.element = make("div.picker", {}, make("label", { for: id }, label), this.#withSteps(label));
    place.append(this.element);
    this.#listen();
  }

  /** Offer other items; `notes` say something about each. */
  setItems(items, notes = []) {
    [this.items, this.notes] = [items, notes];
    this.folded = items.map((item) => item.toLowerCase());
    this.close();
  }

  /** Show which item is chosen. */
  choose(index) {
    this.index = index;
    this.field.value = this.items[index] ?? "";
    this.field.title = this.field.value;
    // Not `disabled`: whoever goes through all series by the keyboard would lose the focus at the last one.
    this.previous.setAttribute("aria-disabled", String(index <= 0));
    this.next.setAttribute("aria-disabled", String(index >= this.items.length - 1));
  }

  /** Open the list, with all items or those that a text is found in. */
  open(text = "") {
    this.found = this.#find(text.trim().toLowerCase());
    this.#unfold(true);
    this.rows.style.height = `${ROW * this.found.length}px`;
    this.list.style.height = `${ROW * Math.min(SEEN, this.found.length)}px`;
    this.told.textContent = this.#telling(text);
    this.#activate(Math.max(0, this.found.indexOf(this.index)));
  }

  /** Close the list; the field shows what is chosen. */
  close() {
    this.#unfold(false);
    this.field.removeAttribute("aria-activedescendant");
    this.field.value = this.items[this.index] ?? "";
  }

  #unfold(isOpen) {
    this.isOpen = isOpen;
    this.list.hidden = !isOpen || !this.found.length;
    this.drop.hidden = !isOpen;
    this.field.setAttribute("aria-expanded", String(isOpen));
  }

  #withSteps(label) {
    const step = (text, name, by) =>
      make("button.tool", { type: "button", "aria-label": name, title: name, onclick: () => this.#step(by) }, text);
    this.previous = step("‹", `${label}: previous`, -1);
    this.next = step("›", `${label}: next`, 1);
    return make("div.picker-line", {}, this.box, this.previous, this.next);
  }

  #listen() {
    this.field.addEventListener("input", () => this.open(this.field.value.slice(0, MOST_LETTERS)));
    this.field.addEventListener("click", () => !this.isOpen && this.#begin());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("blur", () => this.close());
    this.list.addEventListener("scroll", () => this.#draw());
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.#take(Number(row.dataset.index));
    });
  }

  #begin() {
    this.open();
    this.field.select();
  }

  #key(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: SEEN, PageUp: -SEEN };
    if (event.key in moves) {
      event.preventDefault();
      if (this.isOpen) this.#activate(this.active + moves[event.key]);
      else this.#begin();
    } else if (event.key === "Enter" && this.isOpen) {
      event.preventDefault();
      if (this.found.length) this.#take(this.found[this.active]);
    } else if (event.key === "Escape" && this.isOpen) {
      event.preventDefault();
      this.close();
    }
  }

  /** Return the places of items that a text is found in, those that begin with it first. */
  #find(text) {
    const all = [...this.items.keys()];
    if (!text) return all;
    const found = all.filter((index) => this.folded[index].includes(text));
    const begins = (index) => this.folded[index].startsWith(text);
    return [...found.filter(begins), ...found.filter((index) => !begins(index))];
  }

  #telling(text) {
    if (!this.found.length) return `Nothing is called “${text.trim()}”.`;
    if (this.found.length === this.items.length) return `${count(this.items.length, "series")}. Type a part of a name.`;
    return `${count(this.found.length, "series")} of ${count(this.items.length, "series")}`;
  }

  #activate(place) {
    this.active = Math.min(Math.max(place, 0), this.found.length - 1);
    const top = ROW * this.active;
    const { scrollTop, clientHeight } = this.list;
    if (top < scrollTop) this.list.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.list.scrollTop = top + ROW - clientHeight;
    this.#draw();
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - SPARE);
    const places = this.found.slice(first, first + SEEN + 2 * SPARE).map((index, k) => [first + k, index]);
    fill(this.rows, ...places.map(([place, index]) => this.#row(place, index)));
    const isDrawn = places.some(([place]) => place === this.active);
    if (isDrawn) this.field.setAttribute("aria-activedescendant", `${this.id}-${this.found[this.active]}`);
    else this.field.removeAttribute("aria-activedescendant");
  }

  #row(place, index) {
    const row = make(
      "div",
      {
        id: `${this.id}-${index}`,
        role: "option",
        "aria-selected": String(index === this.index),
        "aria-posinset": place + 1,
        "aria-setsize": this.found.length,
        dataset: { index },
      },
      make("span.picker-name", {}, this.items[index]),
      this.notes[index] ? make("span.picker-note", {}, this.notes[index]) : null,
    );
    row.classList.toggle("active", place === this.active);
    row.style.top = `${ROW * place}px`;
    return row;
  }

  #step(by) {
    if (this.index + by in this.items) this.#take(this.index + by);
  }

  #take(index) {
    this.choose(index);
    this.close();
    this.chosen(index);
  }
}
