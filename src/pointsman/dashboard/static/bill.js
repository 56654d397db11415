// What one call cost, part by part and attempt by attempt, at the prices that it was billed by.

import { el } from "./dom.js";
import { clockOf, costIn, decimals, each, perMillion, whole } from "./format.js";

const NAMES = {
  cache_read: "cached input",
  cache_write_1h: "cache write, 1 h",
  input_audio: "audio input",
  cache_audio: "cached audio",
  output_audio: "audio output",
  input_image: "image input",
  output_image: "image output",
};
const NOT_BILLED = {
  billed: "nothing was used",
  not_billed: "not billed: it brought nothing",
  whole: "booked as a whole: of what it is made is not known",
  unpriced: "unpriced: no price is known, which is not zero",
  unknown: "unknown: it ended before it said what it used",
};
const about = (one) => (one.usage?.estimated ? "≈" : "");

/** The section: a table whose parts add up to the total that was booked. */
export function bill(call, attempts) {
  if (!attempts.length) return [];
  const total = sum(attempts) ?? call.cost;
  const amounts = attempts.flatMap((one) => [one.cost, ...one.bill.lines.map((line) => line.cost)]);
  const places = Math.max(0, ...[...amounts, total].filter((one) => one !== null).map(decimals));
  const heads = ["Part", "Count", "Price", "Cost"].map((name, at) =>
    el("th", { scope: "col", class: at ? "number" : null }, name),
  );
  const parts = attempts.map((one) => el("tbody", {}, billed(one, attempts.length > 1, places)));
  const sums = attempts.length > 1 ? purposes(attempts, places) : [];
  const rough = attempts.some(about) ? "≈" : "";
  const foot = el("tfoot", {}, sums, sumRow("Total", total, rough, places));
  return [
    el("h3", {}, "What it cost"),
    el("table", { class: "bill" }, el("thead", {}, el("tr", {}, heads)), parts, foot),
    rough ? el("p", { class: "note" }, "≈ stands on tokens counted here: the provider stated none.") : null,
    lacking(attempts),
  ];
}

/** Nano-dollars of all attempts; null where the cost of one is not known. */
function sum(attempts) {
  if (attempts.some((one) => one.cost === null)) return null;
  return attempts.reduce((so_far, one) => so_far + BigInt(one.cost), 0n);
}

function purposes(attempts, places) {
  const names = [...new Set(attempts.map((one) => one.purpose))];
  return names.map((name) => {
    const those = attempts.filter((one) => one.purpose === name);
    return sumRow(`Sum of ${name}`, sum(those), those.some(about) ? "≈" : "", places);
  });
}

function sumRow(name, nanos, rough, places) {
  return el("tr", {}, el("th", { scope: "row", colspan: 3 }, name), amount(nanos, rough, places, "th"));
}

/** One attempt: who, its parts, and by which price. */
function billed(one, several, places) {
  const { lines, state } = one.bill;
  const rows = lines.map((line) => part(line, about(one), places));
  if (!lines.length) rows.push(el("tr", {}, el("td", { colspan: 3 }, NOT_BILLED[state]), uncounted(one, places)));
  const name = several ? [head(`${one.number}. ${one.purpose}: ${one.model} at ${one.provider}`)] : [];
  return [...name, ...rows, el("tr", {}, el("td", { colspan: 4, class: "note" }, priced(one)))];
}

const head = (text) => el("tr", {}, el("th", { colspan: 4, scope: "rowgroup" }, text));

function uncounted(one, places) {
  if (one.bill.state === "unknown") return el("td", { class: "number" }, "unknown");
  return amount(one.cost, about(one), places);
}

function part(line, rough, places) {
  const mark = line.unit === "token" ? rough : "";
  const price = line.unit === "token" ? `${perMillion(line.price ?? 0)} per million` : `${each(line.price ?? 0)} each`;
  return el(
    "tr",
    {},
    el("td", {}, NAMES[line.kind] ?? line.kind.replaceAll("_", " ")),
    el("td", { class: "number" }, mark + whole(line.count)),
    el("td", { class: "number" }, line.price === null ? "unpriced" : price),
    amount(line.cost, mark, places),
  );
}

function amount(nanos, mark, places, tag = "td") {
  return el(tag, { class: "number" }, nanos === null ? "unpriced" : mark + costIn(nanos, places));
}

/** Which of a model's prices held, and where it comes from; why there is none. */
function priced(one) {
  const { above, hours, lines, service, since, source, state } = one.bill;
  const held = [
    service && `served as ${service}`,
    hours && `from ${clockOf(hours[0])} to ${clockOf(hours[1])} UTC`,
    above !== null && `above ${whole(above)} input tokens`,
    one.error && `ended by ${one.error}`,
  ];
  const from = state === "billed" ? `billed by: ${source || "no source"}${since ? `, since ${since}` : ""}` : "";
  const why = state !== "billed" && lines.length ? NOT_BILLED[state] : from;
  return [why, ...held].filter(Boolean).join("; ");
}

function lacking(attempts) {
  const lines = attempts.filter((one) => one.bill.state === "billed").flatMap((one) => one.bill.lines);
  const names = new Set(lines.filter((line) => line.price === null).map((line) => line.kind.replaceAll("_", " ")));
  if (!names.size) return null;
  return el("p", { class: "note" }, `Used without a known price, and so not in the total: ${[...names].join(", ")}.`);
}
