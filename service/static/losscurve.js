// The losses of a training, drawn as they come.

import { chartTable } from "./chart-table.js";
import { Chart } from "./chart.js";
import { make } from "./dom.js";

/** A chart of loss by step, with a table behind it. */
export class LossCurve {
  constructor() {
    this.element = make("div.losses", { hidden: true });
    this.chart = new Chart(this.element, { label: "Loss by step of the training", hint: "Lower is better" });
    const note = "A model is several networks, trained one after another: the curve jumps where the next one begins.";
    this.element.append(make("p.hint", {}, note), chartTable(this.chart, "The losses as a table"));
    this.last = null;
  }

  /** Show the pairs of step and loss that a job tells. */
  show(losses) {
    const last = losses.at(-1)?.[0];
    if (last === undefined || last === this.last) return;
    this.last = last;
    this.element.hidden = false;
    const y = losses.map(([, loss]) => loss);
    const x = losses.map(([step]) => step);
    const labels = x.map((step) => `Step ${step}`);
    this.chart.show({ name: "Losses", x, labels, whole: true, lines: [{ label: "Loss on held-out values", y, colour: "--forecast" }] });
  }
}
