// The first page: asks the reading API again and again while somebody looks, and hands each answer to its part.

import { forgetKey, get, keepKey, key, KeyNeeded } from "./api.js";
import { loadCalls, startCalls } from "./calls.js";
import { byId, el } from "./dom.js";
import { showHealth } from "./health.js";
import { showCall, startPanel } from "./panel.js";
import { follow, read } from "./place.js";
import { showEmpty, showStatus } from "./status.js";
import { seconds, showTotals, startTotals } from "./totals.js";

const EVERY = 1500; // milliseconds
const SLOWLY = 3000; // for what changes slowly or costs the server more
let timer = 0;
let running = false;
let again = false;
let begun = false;
let due = { status: 0, totals: 0 }; // when to ask next

async function look() {
  clearTimeout(timer);
  if (running) {
    again = true; // somebody changed what is wanted while an answer was under way
    return;
  }
  [running, again] = [true, false];
  try {
    await Promise.all([loadCalls(), paced("status", loadStatus), paced("totals", loadTotals)]);
    trouble("");
    byId("content").hidden = false;
    byId("key").hidden = true;
    byId("forget").hidden = !key();
  } catch (error) {
    if (error instanceof KeyNeeded) return demand(error);
    failed(error);
  } finally {
    running = false;
  }
  if (!document.hidden) timer = setTimeout(look, again ? 0 : EVERY);
}

/** Ask slowly; more slowly still where the answer takes long, so that a large ledger is not kept busy by a page. */
async function paced(name, load) {
  const began = performance.now();
  if (began < due[name]) return;
  due[name] = Infinity;
  try {
    await load();
  } finally {
    const now = performance.now();
    if (due[name] === Infinity) due[name] = now + Math.max(SLOWLY, 10 * (now - began)); // 0: wanted anew meanwhile
  }
}

async function loadStatus() {
  const status = await get("status");
  showStatus(status);
  showHealth(status);
  showEmpty(status, read("status"));
}

async function loadTotals() {
  showTotals(await get("totals", { seconds: seconds() }));
}

function trouble(text) {
  const old = byId("trouble");
  if (!text) old?.remove();
  else if (old) old.textContent = text;
  else byId("notices").before(el("p", { id: "trouble", class: "notice bad", role: "alert" }, text));
}

const failed = (error) => trouble(`${error.message}. Trying again.`);

function demand(error) {
  showCall(""); // it would cover the form
  byId("content").hidden = true;
  byId("key").hidden = false;
  byId("key-error").textContent = key() ? error.message : "";
  byId("secret").focus();
}

function fresh(name) {
  due[name] = 0;
  if (begun) look();
}

byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("secret").value.trim());
  byId("secret").value = "";
  start();
});
byId("forget").addEventListener("click", () => {
  forgetKey();
  location.reload();
});
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : anew()));

function anew() {
  due = { status: 0, totals: 0 };
  look();
}

function start() {
  anew();
  if (read("call")) showCall(read("call"));
}

startPanel();
startTotals(() => fresh("totals"));
startCalls(() => fresh("status"), failed);
follow("call", showCall);
begun = true;
look();
