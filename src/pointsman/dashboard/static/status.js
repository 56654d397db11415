// The strip at the top: version, configuration, providers, ledger; and what is wrong, where nobody can overlook it.

import { byId, copyButton, el, fill } from "./dom.js";
import { address, key } from "./api.js";
import { moment, whole } from "./format.js";

const SHOWN_OFF = 3;

export function showStatus(status) {
  const { config, ledger, providers, version } = status;
  fill(byId("status"), [version, config, ledger.up, ledger.pending + ledger.spooled, providers], () =>
    [`version ${version}`, configuration(config), kept(ledger), reached(providers)].map((part) => el("div", {}, part)),
  );
  fill(byId("notices"), [config, providers, ledger.up, ledger.last_error, ledger.dropped], () => [
    rejected(config),
    noneReady(providers),
    ledgerAway(ledger),
    lost(ledger),
  ]);
}

function configuration(config) {
  const since = config.loaded_at ? moment(config.loaded_at) : null;
  const title = since ? `${config.origin || "No file: defaults"}\nin force since ${since.iso}` : null;
  const file = config.origin ? config.origin.split(/[\\/]/).pop() : "defaults";
  if (config.origin === undefined) return el("span", {}, "configuration ", el("code", {}, config.version)); // no admin
  return el("span", { title }, `${file} `, el("code", {}, config.version), since ? ` since ${since.text}` : "");
}

function reached(providers) {
  const ready = providers.filter((one) => one.ready);
  const off = providers.filter((one) => !one.ready);
  const names = ready.map((one) => one.name).join(", ") || "none";
  const line = (one) => el("li", {}, el("b", {}, one.name), ` off: ${one.lacks}`);
  const head = `providers ready: ${names}`;
  if (!off.length) return head;
  const open = off.length <= SHOWN_OFF;
  return [`${head} `, el("details", { open }, el("summary", {}, `${off.length} off`), el("ul", {}, off.map(line)))];
}

function kept(ledger) {
  const waiting = ledger.pending + ledger.spooled;
  return `ledger ${ledger.up ? "ok" : "away"}${waiting ? `, ${whole(waiting)} waiting` : ""}`;
}

const notice = (kind, title, ...rest) => el("div", { class: `notice ${kind}` }, el("b", {}, title), ...rest);

function rejected(config) {
  if (!config.rejected) return null;
  const title = `A change of the configuration was rejected at ${moment(config.rejected_at).text}`;
  const still = ` Version ${config.version} from ${moment(config.loaded_at).text} goes on serving.`;
  return notice("bad", `${title}.`, still, el("pre", {}, config.rejected));
}

function noneReady(providers) {
  if (providers.some((one) => one.ready)) return null;
  return notice("warn", "No provider is ready.", " Set a provider’s key, or start a local server.");
}

function ledgerAway(ledger) {
  if (ledger.up) return null;
  const text = ` Calls go on; ${whole(ledger.pending)} wait in memory, ${whole(ledger.spooled)} on disk.`;
  return notice("bad", "The ledger is away.", text, ledger.last_error ? el("pre", {}, ledger.last_error) : null);
}

function lost(ledger) {
  if (!ledger.dropped) return null;
  return notice("bad", `${whole(ledger.dropped)} calls are missing from the ledger since the start.`);
}

/** What fills an empty page: one command, one line for curl with this page's own address. */
export function showEmpty(status, filter) {
  if (filter) return fill(byId("empty"), filter, () => el("p", {}, `No call is ${filter}.`));
  const routes = status.routes.map((one) => one.name);
  const other = routes[0] ?? status.models.find((one) => one.ready)?.name;
  const model = routes.includes("auto") ? "auto" : (other ?? "auto");
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Why is the sky blue?" }] });
  const auth = status.keys_demanded || key() ? ` -H "authorization: Bearer $POINTSMAN_KEY"` : "";
  const ask = `pointsman ask ${model === "auto" ? "" : `-m ${shell(model)} `}"Why is the sky blue?"`;
  const curl = `curl ${address("v1/chat/completions")} -H "content-type: application/json"${auth} -d ${shell(body)}`;
  fill(byId("empty"), curl, () => [
    el("p", {}, "No calls yet. Either of these makes the first one:"),
    [ask, curl].map((text) => el("div", { class: "command" }, el("code", {}, text), copyButton(text, "Copy command"))),
  ]);
}

const shell = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
