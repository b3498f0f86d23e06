// One training: how far it is, its losses, and what came of it.

import { askJson, watchJob } from "./api.js";
import { accuracyView } from "./accuracy.js";
import { untilAnswers, untilListed } from "./catalogue.js";
import { announce, attempt, fill, make, showProblem } from "./dom.js";
import { cancelJob, progressBar } from "./follow.js";
import { LossCurve } from "./losscurve.js";
import { get, set } from "./store.js";
import { span } from "./wording.js";

/** A card about a training, from its job to its model. */
export class TrainingRun {
  /**
   * @param {object} job  as /v1/jobs describes it
   * @param {object} told
   * @param {(name: string) => void} told.trained  called when the model has another version
   * @param {() => void} told.gone  called when the user puts the card away
   */
  constructor(job, { trained, gone }) {
    Object.assign(this, { job, trained, gone });
    this.name = job.options.name;
    this.bar = progressBar(`Training ${this.name}`);
    this.curve = new LossCurve();
    this.problem = make("div");
    this.state = make("div");
    this.title = make("h3", { tabindex: -1 }, `Training ${this.name}`);
    const cancel = make("button", { type: "button", onclick: () => attempt(this.problem, () => cancelJob(job.id)) }, "Cancel");
    fill(this.state, this.bar.element, make("p.actions", {}, cancel));
    this.element = make("div.card.training", { dataset: { job: job.id } }, this.title, this.state, this.problem, this.curve.element);
    this.show(job);
  }

  show(job) {
    this.bar.show(job);
    this.curve.show(job.progress.losses ?? []);
  }

  /** Look at the job until it has ended, and show what came of it. */
  async follow() {
    await attempt(this.problem, async () => {
      const ended = await watchJob(this.job.id, (job) => this.show(job));
      await this[ended.status](ended);
    });
  }

  async succeeded(job) {
    const made = await askJson("GET", `/v1/jobs/${job.id}/result`);
    this.end(`${this.name} is trained`, [
      accuracyView(made.info.accuracy, span(made.info.horizon, made.info.frequency)),
      ...made.warnings.map((text) => make("div.notice.warning", {}, make("p", {}, text))),
      made.published ? null : make("p", {}, "It does not answer yet: publish it under Versions."),
    ]);
    if (made.published) await this.offer(made);
    else await untilListed(this.name);
    this.trained(this.name);
  }

  /** Offer the model once it answers. */
  async offer({ name, version }) {
    const link = make("a.button.primary", { href: "#forecast", onclick: () => set({ options: { ...get("options"), model: name } }) }, "Forecast with it");
    if (await untilAnswers(name, version)) this.actions.prepend(link);
    else showProblem(this.problem, { message: `${name} does not answer yet. Look at the list above in a moment.` });
  }

  failed(job) {
    this.end(`${this.name} could not be trained`, []);
    showProblem(this.problem, { ...job.error, message: job.error.detail });
  }

  cancelled() {
    this.end(`The training of ${this.name} was cancelled`, []);
  }

  end(text, children) {
    const held = this.element.contains(document.activeElement);
    const close = make("button.quiet", { type: "button", onclick: () => this.close() }, "Put away");
    this.actions = make("p.actions", {}, close);
    this.title.textContent = text;
    fill(this.state, ...children, this.actions);
    announce(text);
    if (held) this.title.focus(); // the button that had the focus is gone
  }

  close() {
    this.element.remove();
    this.gone();
  }
}
