// The series, the heat maps below it and one cursor through all of them.

import { Chart } from "./chart.js";
import { announce, byId, fill, makeTable } from "./dom.js";
import { isCalendar, number, places } from "./format.js";
import { HeatMap } from "./heatmap.js";
import { byMovement, listMovers, markMover } from "./movers.js";
import { sentencesAt, summaryAt } from "./sentences.js";
import { moment, span } from "./wording.js";

const AXIS = { wide: 64, narrow: 44 }; // pixels to the left of what is drawn, of the chart and of all maps
const NARROW = 560;
const JUMP = 10; // cells that Shift and an arrow go, or Page Up and Down
const MAPS = [
  { name: "forget_gate", title: "Forget gate", meaning: "how much of the memory is kept", ramp: "share" },
  { name: "input_gate", title: "Input gate", meaning: "how much of the candidate is written", ramp: "share" },
  { name: "output_gate", title: "Output gate", meaning: "how much of the memory is shown", ramp: "share" },
  { name: "candidate", title: "Candidate", meaning: "what may be written", ramp: "signed" },
  { name: "cell_state", title: "Cell state", meaning: "the memory after the step", ramp: "signed", open: true },
];
const COLUMNS = [
  ["forget_gate", "Forget gate"],
  ["input_gate", "Input gate"],
  ["candidate", "Candidate"],
  ["cell_state", "Cell state"],
  ["output_gate", "Output gate"],
  ["hidden_state", "Hidden state"],
];

/** What is seen of one layer of one network. */
export class GateView {
  constructor() {
    this.box = byId("gates-maps");
    this.maps = MAPS.map((what) => new HeatMap(what));
    fill(this.box, ...this.maps.map((map) => map.element));
    this.chart = new Chart(byId("gates-strip"), { label: "The series that the network read", axisWidth: AXIS.wide });
    this.listen();
  }

  /**
   * Show an explanation.
   *
   * @param {object} answer  of /v1/explain, of one series, network and layer
   * @param {"moved"|"number"} order
   */
  show(answer, order) {
    const [explanation] = answer.explanations;
    const [network] = explanation.networks;
    const [layer] = network.layers;
    const begin = explanation.ds.length - network.steps;
    Object.assign(this, { freq: answer.freq, name: explanation.unique_id, network, layer });
    this.ds = explanation.ds.slice(begin);
    this.y = explanation.y.slice(begin);
    this.x = places(this.ds);
    this.step = this.ds.length - 1;
    this.unit = layer.movers[0]?.unit ?? 0;
    this.showSeries();
    this.setOrder(order);
    this.showMovers();
  }

  showSeries() {
    const labels = this.ds.map((label) => moment(label));
    const lines = [{ label: this.name, y: this.y, colour: "--observed" }];
    const calendar = isCalendar(this.ds);
    this.chart.axisWidth = this.box.clientWidth < NARROW ? AXIS.narrow : AXIS.wide;
    this.chart.show({ name: this.name, x: this.x, labels, calendar, whole: !calendar, lines });
  }

  showMovers() {
    const { movers_steps: steps } = this.layer;
    byId("movers-says").textContent = `Units whose memory changed most over the last ${span(steps, this.freq)}.`;
    listMovers(byId("movers-list"), this.layer, (unit) => this.point(this.step, unit));
    markMover(byId("movers-list"), this.unit);
  }

  /** Put the units into another order. */
  setOrder(name) {
    this.orderName = name;
    const { layer, network } = this;
    this.order = name === "moved" ? byMovement(layer, network.padding) : [...layer.cell_state.keys()];
    for (const map of this.maps) map.show(layer[map.what.name], this.order);
    this.paint();
  }

  /** Draw the maps below what is seen of the series. */
  paint() {
    if (!this.layer || !this.box.clientWidth) return;
    const { left, width } = this.chart.area;
    const [low, high] = this.chart.view;
    const toX = (value) => left + ((value - low) / (high - low)) * width;
    const edges = edgesOf(this.x, this.chart.step).map(toX);
    for (const map of this.maps) map.paint(edges, [left, left + width]);
    this.point(this.step, this.unit);
  }

  /** Put the cursor on a cell. */
  point(step, unit) {
    const changed = unit !== this.unit;
    Object.assign(this, { step, unit });
    const sentences = sentencesAt(this.layer, unit, step, moment(this.ds[step]), this.network.padding);
    for (const map of this.maps) {
      map.point(step, unit);
      map.sentence.textContent = sentences[map.what.name];
    }
    if (this.chart.cursor !== step) this.chart.cursorTo(step);
    markMover(byId("movers-list"), unit);
    if (changed || !byId("gates-table").firstChild) this.showTable();
  }

  /** Write all about the unit at the cursor, if somebody reads it. */
  showTable() {
    if (!byId("gates-details").open) return void fill(byId("gates-table"));
    const cell = (value) => (value === null ? "–" : String(value));
    const rows = this.ds.map((label, step) => [moment(label, true), number(this.y[step], this.chart.decimals), ...COLUMNS.map(([name]) => cell(this.layer[name][this.unit][step]))]);
    const caption = `Unit ${this.unit} of layer ${this.layer.layer}, network ${this.network.network}`;
    fill(byId("gates-table"), makeTable(caption, ["Time", "Series", ...COLUMNS.map(([, title]) => title)], rows));
  }

  listen() {
    const { chart, box } = this;
    let waiting = 0;
    const paintSoon = () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => this.paint());
    };
    chart.element.addEventListener("chart-view", paintSoon);
    new ResizeObserver(paintSoon).observe(box);
    window.addEventListener("theme", () => this.layer && (this.setOrder(this.orderName), this.showMovers()));
    chart.element.addEventListener("chart-cursor", ({ detail }) => this.follow(detail.place));
    byId("gates-details").addEventListener("toggle", () => this.layer && this.showTable());
    box.addEventListener("keydown", (event) => this.key(event));
    for (const map of this.maps) {
      const point = (event) => {
        const { step, unit } = map.cellAt(event.clientX, event.clientY);
        if (step !== this.step || unit !== this.unit) this.point(step, unit);
      };
      map.board.addEventListener("pointermove", point);
      map.board.addEventListener("pointerdown", point);
    }
  }

  /** Go where the cursor of the chart is; where it leaves the chart, it stays where it was. */
  follow(place) {
    if (!this.layer) return;
    if (place === null) queueMicrotask(() => this.chart.cursor === null && this.chart.cursorTo(this.step));
    else if (place !== this.step && place < this.ds.length) this.point(place, this.unit);
  }

  key(event) {
    const by = event.shiftKey ? JUMP : 1;
    const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by], Home: [-Infinity, 0], End: [Infinity, 0], PageUp: [0, -JUMP], PageDown: [0, JUMP] };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const within = (value, most) => Math.min(Math.max(value, 0), most);
    const place = within(this.order.indexOf(this.unit) + move[1], this.order.length - 1);
    this.point(within(this.step + move[0], this.ds.length - 1), this.order[place]);
    announce(summaryAt(this.layer, this.unit, this.step, moment(this.ds[this.step]), this.network.padding));
  }
}

/** Return where the columns of steps begin, half way between them, and where the last one ends. */
function edgesOf(x, step) {
  const between = x.slice(1).map((value, k) => (value + x[k]) / 2);
  return [x[0] - step / 2, ...between, x.at(-1) + step / 2];
}
