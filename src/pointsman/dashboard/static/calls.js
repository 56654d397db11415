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
let gap = ""; // more came at once than is kept: what is shown does not join what waits, whose edge this is
let announced = 0;
let generation = 0; // of the filter; an answer to an older one is dropped
let next = ""; // where the gateway's record goes on after what is known
let edge = ""; // the oldest call of the unbroken list; one that took long may stand below it

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
    [shown, waiting, gap, next, edge] = [[], [], "", "", ""];
    byId("rows").replaceChildren();
    changed();
  });
}

/** Fetch the calls that came since the last time, the newest at first, and show or hold them. */
export async function loadCalls() {
  const asked = generation;
  const found = await news();
  if (asked !== generation) return;
  const first = !next;
  const known = found.anew ? new Set() : ids();
  const fresh = found.calls.filter((call) => !known.has(call.id));
  next = found.next;
  if (first) edge = found.calls.at(-1)?.id ?? "";
  else if (found.anew && found.calls.length) [waiting, gap] = [[], found.calls.at(-1).id];
  if (fresh.length) {
    waiting = [...fresh, ...waiting].sort(newestFirst);
    if (!shown.length || flowing()) reveal();
    if (!first) announce(fresh.length);
  }
  if (first) byId("older").hidden = found.calls.length < PAGE;
  byId("calls").hidden = !shown.length;
  byId("empty").hidden = shown.length > 0;
  offer();
}

/** What came since; or the list anew, at first and where more came than is kept. */
async function news() {
  const status = read("status");
  if (next) {
    const since = await get("calls", { after: next, limit: MOST, status });
    if (!since.more && !since.gap) return since;
  }
  return { ...(await get("calls", { limit: PAGE, status })), anew: true };
}

const ids = () => new Set([...shown, ...waiting].map((call) => call.id));

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
    [shown, edge] = [[], gap];
    byId("older").hidden = false;
  }
  for (const call of waiting) rows.insertBefore(row(call), before(rows, call.id));
  shown = [...waiting, ...shown].sort(newestFirst);
  for (const call of shown.splice(MOST)) {
    rows.querySelector(`[data-id="${CSS.escape(call.id)}"]`)?.remove();
    byId("older").hidden = false;
    if (shown.at(-1).id > edge) edge = shown.at(-1).id;
  }
  [waiting, gap] = [[], ""];
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
    const { calls } = await get("calls", { limit: PAGE, before: edge, status: read("status") });
    if (asked !== generation) return;
    const [known, rows] = [ids(), byId("rows")];
    const fresh = calls.filter((call) => !known.has(call.id));
    for (const call of fresh) rows.insertBefore(row(call), before(rows, call.id));
    shown = [...shown, ...fresh].sort(newestFirst);
    edge = calls.at(-1)?.id ?? edge;
    button.hidden = calls.length < PAGE;
  } finally {
    button.disabled = false;
  }
}

const ours = () => el("span", { class: "note", title: "The gateway’s own: is it well?" }, " health check");

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
    el("td", { class: "wide1 name" }, call.asked || "–", call.surface === "check" ? ours() : null),
    el("td", { class: "name" }, call.model ? [call.model, el("span", { class: "note" }, ` ${call.provider}`)] : failed),
    number(tokens(call.usage), "wide2", call.usage?.estimated ? "Estimated: the provider reported none" : null),
    number(price.text, price.text === "unpriced" ? "warn" : "", price.title),
    number(duration(call.first_byte), "wide2"),
    number(duration(call.duration), "wide1"),
    number(call.attempts, call.attempts > 1 ? "wide3 warn" : "wide3"),
  );
}
