// One job of the list.

import { ask } from "./api.js";
import { confirmed } from "./confirm.js";
import { announce, attempt, fill, make, makeTable, showProblem } from "./dom.js";
import { count } from "./format.js";
import { cancelJob, filesOf, isOver, progressBar } from "./follow.js";
import { ago, instant, lasting, size } from "./wording.js";

const STATUS = {
  queued: ["", "◷ waiting"],
  running: ["", "▶ running"],
  succeeded: ["good", "✓ done"],
  failed: ["error", "✕ failed"],
  cancelled: ["warning", "⊘ cancelled"],
};

/** The element of a job, kept as long as the list has it. */
export class JobRow {
  /**
   * @param {object} job  as /v1/jobs describes it
   * @param {() => void} gone  called when the job has been deleted
   */
  constructor(job, gone) {
    this.job = job;
    this.gone = gone;
    this.age = make("span.hint");
    this.badge = make("span.badge");
    this.state = make("div");
    this.problem = make("div");
    this.all = make("div.wide", { role: "region", "aria-label": "Options", tabindex: 0 });
    this.bar = progressBar(titleOf(job));
    const head = make("div.title", {}, make("h2", {}, titleOf(job)), this.badge, this.age);
    const details = make("details", {}, make("summary", {}, "Options"), this.all);
    this.element = make("li.card.job", { dataset: { job: job.id } }, head, this.state, this.problem, details);
  }

  /** Bring it up to date. */
  show(job) {
    const changed = job.status !== this.status;
    this.job = job;
    this.age.textContent = ageOf(job);
    this.age.title = instant(job.created);
    if (job.status === "running" || job.status === "queued") this.bar.show(job);
    if (!changed) return;
    if (this.status !== undefined) announce(`${titleOf(job)}: ${STATUS[job.status][1].slice(2)}`);
    this.status = job.status;
    const [kind, text] = STATUS[job.status];
    this.badge.className = `badge ${kind}`;
    this.badge.textContent = text;
    this.showState(job);
    fill(this.all, optionsOf(job));
  }

  showState(job) {
    const held = this.state.contains(document.activeElement);
    fill(this.state, isOver(job) ? null : this.bar.element, ...outcomeOf(job), this.actions(job));
    if (job.status === "failed") showProblem(this.state.querySelector(".fault"), { ...job.error, message: job.error.detail });
    if (held) this.element.querySelector("button, summary").focus(); // the button that had the focus is gone
  }

  actions(job) {
    const name = titleOf(job);
    const end = isOver(job)
      ? make("button.quiet", { type: "button", "aria-label": `Delete: ${name}`, onclick: () => this.remove() }, "Delete")
      : make("button", { type: "button", "aria-label": `Cancel: ${name}`, onclick: () => this.cancel() }, "Cancel");
    const box = job.status === "succeeded" ? filesOf(job, this.problem) : make("p.actions");
    box.append(end);
    return box;
  }

  cancel() {
    return attempt(this.problem, async () => this.show(await cancelJob(this.job.id)));
  }

  async remove() {
    const sure = await confirmed({
      title: "Delete this job?",
      says: [`${titleOf(this.job)}, handed in ${ago(this.job.created)}. ${lossOf(this.job)}`],
      action: "Delete",
      danger: true,
    });
    if (!sure) return;
    await attempt(this.problem, async () => {
      await ask("DELETE", `/v1/jobs/${this.job.id}`);
      announce("The job is deleted.");
      this.gone();
    });
  }
}

function lossOf(job) {
  if (job.status !== "succeeded") return "Its description will be gone.";
  return job.kind === "forecast" ? "Its result will be gone too." : "The model that it made stays.";
}

function titleOf({ kind, options, model }) {
  const ahead = options.h ? `, ${count(options.h, "steps")}` : "";
  return kind === "train" ? `Training of ${options.name}${ahead}` : `Forecast by ${model?.name ?? options.model ?? "the default model"}${ahead}`;
}

function ageOf(job) {
  const took = job.started && job.finished ? `, took ${lasting((new Date(job.finished) - new Date(job.started)) / 1000)}` : "";
  return `${ago(job.created)}${took}`;
}

function outcomeOf(job) {
  if (job.status === "failed") return [make("div.fault")];
  if (job.status !== "succeeded") return [];
  const { rows, series_total } = job.progress;
  const from = `from ${count(rows, "values")} of ${count(series_total, "series")}`;
  const what = job.kind === "train" ? `Version ${job.model.version}, ${from}` : `${count(job.result.rows, "rows")} ${from}, ${size(job.result.bytes)}`;
  return [make("p", {}, what, make("span.hint", {}, `Kept until ${instant(job.expires)}`))];
}

function optionsOf(job) {
  const given = Object.entries(job.options).filter(([, value]) => value !== null && value !== "");
  const rows = [["id", job.id], ...given.map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : String(value)])];
  if (job.attempts > 1) rows.push(["attempts", String(job.attempts)]);
  return makeTable("What was asked for", ["Option", "Value"], rows, { class: "text" });
}
