// Sums over a chosen stretch of time.

import { byId, el, fill } from "./dom.js";
import { duration, exactMoney, money, whole } from "./format.js";
import { follow, go, link, read } from "./place.js";

const WINDOWS = { "1h": 3600, "24h": 86_400, "7d": 604_800 };
const USUAL = "24h";

export const seconds = () => WINDOWS[read("window")] ?? WINDOWS[USUAL];

export function startTotals(changed) {
  const buttons = Object.keys(WINDOWS).map((name) =>
    el("button", { type: "button", click: () => go("window", name === USUAL ? "" : name) }, name),
  );
  byId("windows").append(...buttons);
  follow("window", (chosen) => {
    const name = chosen in WINDOWS ? chosen : USUAL;
    for (const one of buttons) one.setAttribute("aria-pressed", String(one.textContent === name));
    changed();
  });
}

export function showTotals({ all }) {
  fill(byId("totals"), all, () => [
    spend(all),
    figure("Calls", whole(all.calls), `${whole(all.attempts)} attempt${Number(all.attempts) === 1 ? "" : "s"}`),
    figure("Tokens in", whole(all.input_tokens), `${whole(all.cached_tokens)} of them cached`),
    figure("Tokens out", whole(all.output_tokens), thinking(all.reasoning_tokens)),
    trouble("Failed", "failed", all.failed),
    trouble("Refused", "refused", all.refused),
    trouble("Cancelled", "cancelled", all.cancelled),
    all.stale ? trouble("Old answers", "stale", all.stale) : null,
    figure("Latency, p95", duration(all.duration.p95), `p50 ${duration(all.duration.p50)}`),
    figure("First byte, p95", duration(all.first_byte.p95), `p50 ${duration(all.first_byte.p50)}`),
  ]);
}

function figure(name, value, note = "", title = null, kind = null) {
  const below = note ? el("dd", { class: "note" }, note) : null;
  return el("div", { class: kind }, el("dt", {}, name), el("dd", { title }, value), below);
}

const thinking = (count) => (count ? `${whole(count)} of them thinking` : "");

function spend(all) {
  const title = `${exactMoney(all.cost)} in full`;
  const guessed = all.estimated_cost ? `${money(all.estimated_cost)} of it estimated` : "";
  if (!all.unpriced) return figure("Spend", money(all.cost), guessed, title);
  const calls = `${whole(all.unpriced)} unpriced ${all.unpriced === 1 ? "call" : "calls"}`;
  if (!all.cost) return figure("Spend", "unpriced", calls);
  return figure("Spend", `${money(all.cost)}*`, [`* and ${calls}`, guessed].filter(Boolean).join("; "), title);
}

function trouble(name, status, count) {
  const rows = { href: link("status", status), title: `Show the ${status} calls` };
  const value = count ? el("a", rows, whole(count)) : "0";
  return figure(name, value, "", null, count && status === "failed" ? "bad" : null);
}
