// The table of calls. A row never changes once it is there: the ledger is append-only, and rows are only ever added.

import { byId, el } from "./dom.js";
import { get } from "./api.js";
import { cost, duration, moment, tokens } from "./format.js";
import { follow, go, link, read } from "./place.js";

const PAGE = 50;
const MOST = 1000; // rows kept on the page
const QUIET = 10_000; // milliseconds between two announcements
let shown = []; // newest first
let waiting = []; // known, but held back
let gap = false; // more came at once than one page holds: what is shown does not join what waits
let announced = 0;
let generation = 0; // of the filter; an answer to an older one is dropped

const newestFirst = (a, b) => (a.id < b.id ? 1 : -1);

export function startCalls(changed, failed) {
  byId("new").addEventListener("click", () => {
    reveal();
    scrollTo({ top: 0 });
    byId("rows").querySelector("a")?.focus();
  });
  byId("older").addEventListener("click", () => older().catch(failed));
  byId("filter").addEventListener("change", () => go("status", byId("filter").value));
  byId("rows").addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row || event.metaKey || event.ctrlKey || event.shiftKey || String(getSelection())) return;
    event.preventDefault();
    go("call", row.dataset.id);
  });
  follow("status", (status) => {
    byId("filter").value = status;
    generation += 1;
    [shown, waiting, gap] = [[], [], false];
    byId("rows").replaceChildren();
    changed();
  });
}

/** Fetch the newest calls and show or hold them. Says whether there is any call at all under this filter. */
export async function loadCalls() {
  const asked = generation;
  const { calls } = await get("calls", { limit: PAGE, status: read("status") });
  if (asked !== generation) return;
  const known = new Set([...shown, ...waiting].map((call) => call.id));
  const fresh = calls.filter((call) => !known.has(call.id));
  const first = !shown.length;
  if (fresh.length) {
    if (known.size && fresh.length === calls.length && calls.length === PAGE) [waiting, gap] = [[], true];
    waiting = [...fresh, ...waiting].sort(newestFirst);
    if (first || flowing()) reveal();
    if (!first) announce(fresh.length);
  }
  if (first) byId("older").hidden = calls.length < PAGE;
  byId("calls").hidden = !shown.length;
  byId("empty").hidden = shown.length > 0;
  offer();
}

/** New rows may push the others down only where nobody reads, points or stands. */
function flowing() {
  const rows = byId("rows");
  const pointed = matchMedia("(hover: hover)").matches && rows.matches(":hover");
  return byId("live").checked && scrollY < 8 && !pointed && !rows.contains(document.activeElement);
}

function reveal() {
  const rows = byId("rows");
  if (gap) {
    rows.replaceChildren();
    shown = [];
    byId("older").hidden = false;
  }
  for (const call of waiting) rows.insertBefore(row(call), before(rows, call.id));
  shown = [...waiting, ...shown].sort(newestFirst);
  for (const call of shown.splice(MOST)) {
    rows.querySelector(`[data-id="${CSS.escape(call.id)}"]`)?.remove();
    byId("older").hidden = false;
  }
  [waiting, gap] = [[], false];
  offer();
}

function before(rows, id) {
  for (const one of rows.rows) if (one.dataset.id < id) return one;
  return null;
}

function offer() {
  const button = byId("new");
  button.hidden = !waiting.length;
  button.textContent = `${waiting.length}${gap ? " or more" : ""} new`;
}

function announce(count) {
  if (Date.now() - announced < QUIET) return;
  announced = Date.now();
  const number = waiting.length || count;
  const held = waiting.length ? ", held back: the button above the table shows them" : "";
  byId("said").textContent = `${number} new ${number === 1 ? "call" : "calls"}${held}`;
}

async function older() {
  const [asked, button] = [generation, byId("older")];
  button.disabled = true;
  try {
    const { calls } = await get("calls", { limit: PAGE, before: shown.at(-1)?.id, status: read("status") });
    if (asked !== generation) return;
    byId("rows").append(...calls.map(row));
    shown.push(...calls);
    button.hidden = calls.length < PAGE;
  } finally {
    button.disabled = false;
  }
}

function row(call) {
  const { text, iso } = moment(call.started);
  const price = cost(call);
  const number = (value, kind = "", title = null) => el("td", { class: `number ${kind}`, title }, value);
  const open = el("a", { href: link("call", call.id), "aria-label": `Call at ${text}, ${call.status}` }, text);
  const failed = el("span", { class: "note", title: call.detail }, call.error || "–");
  return el(
    "tr",
    { "data-id": call.id, "aria-current": read("call") === call.id ? "true" : null },
    el("td", {}, el("time", { datetime: iso, title: iso }, open)),
    el("td", { title: call.detail || null }, el("span", { class: `mark ${call.status}` }, call.status)),
    el("td", { class: "wide1 name" }, call.asked || "–"),
    el("td", { class: "name" }, call.model ? [call.model, el("span", { class: "note" }, ` ${call.provider}`)] : failed),
    number(tokens(call.usage), "wide2", call.usage?.estimated ? "Estimated: the provider reported none" : null),
    number(price.text, price.text === "unpriced" ? "warn" : "", price.title),
    number(duration(call.first_byte), "wide2"),
    number(duration(call.duration), "wide1"),
    number(call.attempts, call.attempts > 1 ? "wide3 warn" : "wide3"),
  );
}
