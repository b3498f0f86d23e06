// The same forecast by curl and by Python: text that can be pasted into a shell or a file, and works.

import { queryOf } from "./api.js";

const USUAL = { id_col: "unique_id", time_col: "ds", target_col: "y" };
const KEY = '-H "Authorization: Bearer $FORECASTER_KEY"';
const CSV = "-H 'Content-Type: text/csv'";
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;

/**
 * What is asked for.
 *
 * @typedef {object} Wish
 * @property {string} origin  address of the service
 * @property {import("./table.js").Source} source
 * @property {string} text  what was pasted, if it was
 * @property {object} columns  id_col, time_col, target_col; null: not needed
 * @property {object} options  of a forecast; null: not needed
 * @property {boolean} hasKey  whether the service wants a key
 * @property {?string} cell  what columns of forecasts are called after, once there is one
 * @property {boolean} isLarge  whether the file goes to the queue
 */

/** Return a word for a POSIX shell that stands for exactly this text. */
export function quoted(text) {
  if (/^[A-Za-z0-9_./:@%+=,-]+$/.test(text)) return text;
  const plain = `'${text.replaceAll("'", "'\\''")}'`;
  return plain.replace(CONTROLS, (letter) => `'"$(printf '${octal(letter)}')"'`); // a terminal would act on them
}

function octal(letter) {
  return [...new TextEncoder().encode(letter)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}

/** Return a line for a POSIX shell. @param {Wish} wish */
export function curlOf(wish) {
  return wish.isLarge ? curlOfJob(wish) : curlOfForecast(wish);
}

function curlOfForecast(wish) {
  const { origin, source, text, hasKey } = wish;
  const url = quoted(`${origin}/v1/forecast${queryOf(asked(wish))}`);
  const ask = (body) => [`curl -sS ${url}`, CSV, ...(hasKey ? [KEY] : []), `--data-binary ${body}`].join(" \\\n  ");
  if (source.origin === "sample") return `curl -sS ${quoted(origin + source.path)} |\n${ask("@-")}`;
  if (source.origin === "file") return ask(quoted(`@${pathOf(source.name)}`));
  return `${ask("@-")} ${hereDocument(text)}`;
}

function hereDocument(text) {
  const end = unlike(text, "TABLE");
  return `<<'${end}'\n${text}${end}`;
}

/** What is no file yet becomes one before it is handed in. */
function madeFile({ origin, source, text }) {
  if (source.origin === "sample") return [`curl -sS -o ${quoted(source.name)} ${quoted(origin + source.path)}`];
  return source.origin === "pasted" ? [`cat > ${quoted(source.name)} ${hereDocument(text)}`] : [];
}

function curlOfJob(wish) {
  const { origin, source, hasKey } = wish;
  const key = hasKey ? ` ${KEY}` : "";
  const url = quoted(`${origin}/v1/jobs${queryOf({ kind: "forecast", ...asked(wish) })}`);
  return [
    ...madeFile(wish),
    `job=$(curl -sS -g ${url} \\`,
    `  ${CSV}${key} \\`,
    `  -o /dev/null -D - -X POST -T ${quoted(pathOf(source.name))} | sed -n 's/^[Ll]ocation: *//p' | tr -d '\\r')`,
    `while [ -n "$job" ] && ! curl -sS${key} "${origin}$job" | grep -q '"finished": *"'; do sleep 2; done`,
    `[ -n "$job" ] && curl -sS${key} "${origin}$job/result" > forecast.csv`,
  ].join("\n");
}

/** A name that begins with a dash would be an option, or standard input. */
function pathOf(name) {
  return name.startsWith("-") ? `./${name}` : name;
}

function unlike(text, word) {
  const lines = new Set(text.split("\n"));
  let end = word;
  while (lines.has(end)) end += "_";
  return end;
}

/** Columns that are called otherwise than usual, and options. */
function asked({ columns, options }) {
  return { ...unusual(columns), ...options };
}

function unusual(columns) {
  return Object.fromEntries(Object.entries(columns).filter(([name, value]) => value !== null && value !== USUAL[name]));
}

/** Return a program in Python. @param {Wish} wish */
export function pythonOf(wish) {
  const file = fileOf(wish);
  const columns = unusual(wish.columns);
  const hasNames = Object.keys(columns).length > 0 && !wish.isLarge;
  const options = Object.entries(wish.options).filter(([, value]) => value !== null && value !== undefined);
  const given = wish.isLarge ? [...Object.entries(columns), ...options] : options;
  const shown = [literal(file.path), ...(hasNames ? ["names=names"] : []), ...given.map(([name, value]) => `${name}=${literal(value)}`)].join(", ");
  const key = wish.hasKey ? ', key=os.environ["FORECASTER_KEY"]' : "";
  const names = Object.entries(columns).map(([name, value]) => `${name}=${literal(value)}`);
  return [
    ...imports(wish, file, hasNames),
    "",
    ...file.lines,
    `client = Client(${literal(wish.origin)}${key})`,
    ...(hasNames ? [`names = ColumnNames(${names.join(", ")})`] : []),
    ...(wish.isLarge ? jobLines(shown) : forecastLines(shown, wish.cell)),
    "",
  ].join("\n");
}

function imports({ hasKey }, { needs }, hasNames) {
  const standard = [...(hasKey ? ["import os"] : []), ...needs];
  return [...standard, ...(standard.length ? [""] : []), `from forecaster import Client${hasNames ? ", ColumnNames" : ""}`];
}

function forecastLines(shown, cell) {
  return [
    `answer = client.forecast(${shown})`,
    "for series in answer.forecasts:",
    `    print(series["unique_id"], dict(zip(series["ds"], series[${literal(cell ?? "LSTM")}])))`,
    "print(answer.skipped)  # series without a forecast, and why",
  ];
}

function jobLines(shown) {
  return [`job = client.submit_forecast(${shown})`, 'print(client.result(client.wait(job), "forecast.csv"))'];
}

/** Where the file is, and the lines that bring it there; the client reads files whose name ends in .csv. */
function fileOf({ origin, source, text, isLarge }) {
  const { name } = source;
  const path = ["from pathlib import Path"];
  if (source.origin === "sample") {
    return { path: name, needs: ["from urllib.request import urlretrieve"], lines: [`urlretrieve(${literal(origin + source.path)}, ${literal(name)})`] };
  }
  if (source.origin === "pasted") return { path: name, needs: path, lines: [`Path(${literal(name)}).write_text(${block(text)}, encoding="utf-8")`] };
  if (isLarge || name.endsWith(".csv")) return { path: name, needs: [], lines: [] };
  return { path: `${name}.csv`, needs: path, lines: [`Path(${literal(`${name}.csv`)}).write_bytes(Path(${literal(name)}).read_bytes())`] };
}

/** Return a literal of Python: of numbers, lists and strings JSON's are the same. */
function literal(value) {
  return Array.isArray(value) ? `[${value.map(literal).join(", ")}]` : JSON.stringify(value);
}

function block(text) {
  return `"""\\\n${text.replaceAll("\\", "\\\\").replaceAll('"""', '\\"\\"\\"')}"""`;
}
