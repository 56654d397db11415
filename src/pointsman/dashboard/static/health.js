// How the providers are: one group of rows each, the models in use there below it.

import { byId, el, fill } from "./dom.js";
import { duration, length, moment, whole } from "./format.js";

const WORDS = { closed: "well", degraded: "degraded", half_open: "half open", open: "open" };
const MEANT = {
  closed: "Calls go there",
  degraded: "Slow or prone to errors: asked after those that are well",
  half_open: "One call at a time is let through to see",
  open: "Not asked until its rest is over",
};
const PHASES = {
  connect: "connection",
  first_token: "first token",
  whole_answer: "whole answer",
  between_pieces: "between two pieces",
};
const NANOS = 1e9;
const MINUTE = 60_000; // milliseconds; for how long something lasts is said anew at least so often

/** An ordinary key is told only who is ready: then there is nothing to show here. */
export function showHealth(status) {
  const providers = status.providers.filter((one) => one.targets);
  byId("health").hidden = !providers.length;
  fill(byId("targets"), [providers, Math.floor(Date.now() / MINUTE)], () => providers.map(group));
}

function group(provider) {
  return [head(provider), ...provider.targets.map(row)];
}

function head(one) {
  const check = one.health_check?.last;
  const said = check ? `check ${check.ok ? "passed" : "failed"} at ${moment(check.at).text}: ${check.found}` : "";
  const name = el("th", { scope: "row", class: "name" }, one.name);
  if (!one.ready) return line(name, el("span", { class: "mark off" }, "off"), { why: one.lacks });
  const state = one.state === null ? el("span", { class: "note mark off" }, "not asked yet") : mark(one.state);
  return line(name, state, { ...one, why: said });
}

function row(one) {
  const key = one.key ? el("span", { class: "note" }, ` $${one.key}`) : null;
  const well = one.state === "closed";
  return line(el("td", { class: "name inner" }, one.model, key), mark(one.state), { ...one, why: well ? "" : one.why });
}

const mark = (state) => el("span", { class: `mark ${state}`, title: MEANT[state] }, WORDS[state] ?? state);

function line(name, state, one) {
  const number = (value, kind = "", title = null) => el("td", { class: `number ${kind}`, title }, value);
  const first = one.first_token?.p50 ?? null;
  return el(
    "tr",
    { class: one.targets || one.state === undefined ? "group" : null },
    name,
    el("td", {}, state),
    number(lasting(one.since), "wide1", one.since ? moment(one.since).iso : null),
    number(minute(one), one.error_share ? "wide1 bad" : "wide1"),
    number(first === null ? "" : `${shown(first)} / ${shown(one.first_token.p95)}`, "wide2", limits(one.learned)),
    number((one.headroom ?? []).map((each) => el("div", {}, budget(each))), "wide3"),
    number(next(one.next_probe), "wide2"),
    el("td", { class: "why" }, one.why),
  );
}

const shown = (seconds) => duration(seconds * NANOS);
const lasting = (since) => (since ? length(Math.max(0, Date.now() / 1000 - Number(since) / NANOS)) : "");
const next = (seconds) => (seconds ? `in ${length(Math.max(0, seconds))}` : "");

function minute(one) {
  if (!one.attempts) return one.state ? "–" : "";
  const failed = Math.round(one.attempts * one.error_share);
  return failed ? `${whole(one.attempts)}, ${whole(failed)} failed` : whole(one.attempts);
}

function budget(one) {
  return `${whole(one.remaining)}${one.limit === null ? "" : ` of ${whole(one.limit)}`} ${one.kind}`;
}

function limits(learned) {
  const known = Object.entries(learned ?? {}).filter(([, value]) => value !== null);
  if (!known.length) return null;
  return `Given up after: ${known.map(([name, value]) => `${PHASES[name] ?? name} ${shown(value)}`).join(", ")}`;
}
