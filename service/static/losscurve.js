// The losses of a training, drawn as they come.

import { colour } from "./colours.js";
import { make, makeTable } from "./dom.js";
import { number } from "./format.js";
import { Plot, numberAxis } from "./plot.js";

/** A chart of loss by step, with a table behind it. */
export class LossCurve {
  constructor() {
    this.place = make("div.plot", { role: "img" });
    this.table = make("div.wide.tall", { role: "region", "aria-label": "Losses", tabindex: 0 });
    this.details = make("details", { ontoggle: () => this.fillTable() }, make("summary", {}, "The losses as a table"), this.table);
    this.element = make("div.losses", { hidden: true }, this.place, this.details);
    this.losses = [];
    this.plot = new Plot(this.place, options, 190);
  }

  /** Show the pairs of step and loss that a job tells. */
  show(losses) {
    if (losses.length === this.losses.length && losses.at(-1)?.[0] === this.losses.at(-1)?.[0]) return;
    this.losses = losses;
    this.element.hidden = losses.length === 0;
    this.plot.show([losses.map(([step]) => step), losses.map(([, loss]) => loss)]);
    this.place.setAttribute("aria-label", summary(losses));
    this.fillTable();
  }

  fillTable() {
    if (!this.details.open) return;
    const rows = this.losses.map(([step, loss]) => [String(step), String(loss)]);
    this.table.replaceChildren(makeTable("Loss on the held-out values, or on those trained on where none are held out", ["Step", "Loss"], rows));
  }

  end() {
    this.plot.end();
  }
}

function summary(losses) {
  if (!losses.length) return "Loss curve, empty so far";
  const least = losses.reduce((best, each) => (each[1] < best[1] ? each : best));
  return `Loss by step: from ${number(losses[0][1])} to ${number(losses.at(-1)[1])}, least ${number(least[1])} at step ${number(least[0])}`;
}

function options() {
  return {
    scales: { x: { time: false } },
    cursor: { drag: { x: false, y: false }, y: false },
    legend: { show: true },
    axes: [numberAxis("Step", { whole: true }), numberAxis("Loss", { axis: { size: 58 } })],
    series: [
      { label: "Step", value: (_, step) => (step === null ? "" : number(step)) },
      {
        label: "Loss on held-out values",
        stroke: colour("--forecast"),
        width: 2,
        points: { show: true, size: 4, fill: colour("--forecast") },
        value: (_, loss) => (loss === null ? "" : number(loss)),
      },
    ],
  };
}
