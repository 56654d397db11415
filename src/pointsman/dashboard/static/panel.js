// One call with its decision: what was planned, what was left out, what was tried, what it cost.

import { get } from "./api.js";
import { byId, copyButton, el } from "./dom.js";
import { cost, duration, exactMoney, moment, perMillion, tokens, whole } from "./format.js";
import { go, read } from "./place.js";

// The bits of `core.model.Ability`, lowest first.
const ABILITIES = ["tools", "vision", "json_schema", "audio_input", "reasoning", "logprobs", "documents", "completions", "embeddings", "audio_output", "image_output", "json_mode"];
const narrow = matchMedia("(max-width: 60rem)");

export function startPanel() {
  byId("close").addEventListener("click", () => go("call", ""));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && read("call")) go("call", "");
  });
  narrow.addEventListener("change", cover);
}

/** Open the panel on a call, or close it where there is no id. */
export async function showCall(id) {
  const panel = byId("panel");
  const left = byId("rows").querySelector("[aria-current]");
  const wasOpen = !panel.hidden;
  left?.removeAttribute("aria-current");
  byId("rows").querySelector(`[data-id="${CSS.escape(id)}"]`)?.setAttribute("aria-current", "true");
  panel.hidden = !id;
  document.body.classList.toggle("beside", Boolean(id));
  cover();
  if (!id) {
    if (wasOpen) (left?.querySelector("a") ?? byId("filter")).focus();
    return;
  }
  byId("panel-body").replaceChildren(el("p", { class: "note" }, "Reading…"));
  byId("panel-title").focus();
  let parts;
  try {
    parts = sections(await get(`calls/${encodeURIComponent(id)}`));
  } catch (error) {
    parts = [el("p", { class: "notice bad" }, error.message)];
  }
  if (read("call") === id) byId("panel-body").replaceChildren(...parts.filter(Boolean));
}

/** Where the panel covers the page, nobody should stand behind it. */
function cover() {
  byId("page").inert = narrow.matches && !byId("panel").hidden;
}

function sections({ call, attempts, decision, needs, request, answer }) {
  return [
    el("p", { class: "command" }, el("code", {}, call.id), copyButton(call.id, "Copy the call’s id")),
    call.error ? el("p", { class: `notice ${call.status === "failed" ? "bad" : "warn"}` }, el("b", {}, call.error), ` ${call.detail}`) : null,
    about(call, needs),
    ...(decision ? plan(decision, attempts) : [el("p", { class: "note" }, "It ended before there was a plan.")]),
    ...tried(attempts),
    needs ? asked(needs) : null,
    stored("Request", request),
    stored("Answer", answer),
  ];
}

const facts = (pairs) =>
  el("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value, title]) => [el("dt", {}, name), el("dd", { title }, value)]));

function about(call, needs) {
  const price = cost(call);
  const at = moment(call.started);
  const own = Number(call.overhead);
  const split = needs?.stream ? ["of it ours", "not told apart in a stream"] : ["of it ours", `${duration(own)}, the provider’s ${duration(Number(call.duration) - own)}`, "Ours includes pauses before a retry"];
  return facts([
    ["Status", [el("span", { class: `mark ${call.status}` }, call.status), ` HTTP ${call.http_status}`]],
    ["Asked for", [call.asked || "–", call.route && call.route !== call.asked ? ` (route ${call.route})` : ""]],
    ["Answered by", call.model && `${call.model} at ${call.provider}${call.upstream === call.model ? "" : `, there ${call.upstream}`}`],
    ["Cost", price.text, price.title],
    ["Tokens", call.usage && `${tokens(call.usage)}${details(call.usage)}`],
    ["Began", at.text, at.iso],
    ["First byte", duration(call.first_byte)],
    ["Took", duration(call.duration)],
    split,
    ["Finish", call.finish],
    ["Interface", `${call.surface}, ${call.dialect}${needs?.stream ? ", streamed" : ""}`],
    ["Id in the answer", call.answer_id],
    ["Key", call.key],
    ["Session", call.session],
    ["Tags", call.tags],
    ["User", call.user],
  ]);
}

function details(usage) {
  const kinds = { "from cache": usage.cache_read, "to cache": usage.cache_write + usage.cache_write_1h, thinking: usage.reasoning };
  return Object.entries(kinds).map(([name, count]) => (count ? `, ${whole(count)} ${name}` : "")).join("");
}

function plan(decision, attempts) {
  const said = (step) => attempts.filter((one) => one.model === step.model && one.provider === step.provider).at(-1);
  const result = (one) => (one ? el("span", { class: `mark ${one.error ? "failed" : "ok"}` }, one.error ? "failed" : "answered") : el("span", { class: "note" }, "not needed"));
  const steps = decision.steps.map((step) =>
    el("li", {}, el("b", {}, step.model), ` at ${step.provider} `, result(said(step)),
      el("div", { class: "note" }, [step.tier, priced(step.price), step.start === "at_once" ? "starts at once" : "after a failure"].filter(Boolean).join(" · "))));
  const drawn = decision.propensity === null || decision.propensity === 1 ? "" : `, drawn with probability ${decision.propensity}`;
  return [
    el("h3", {}, "Decision"),
    el("p", {}, `${decision.strategy}: ${decision.reason}${drawn}. Policy `, el("code", {}, decision.policy), "."),
    decision.warnings.map((text) => el("p", { class: "notice warn" }, text)),
    el("ol", { class: "steps" }, steps),
    decision.dropped.length ? el("h3", {}, "Left out") : null,
    el("ul", { class: "steps" }, decision.dropped.map((one) => el("li", {}, el("b", {}, one.model), ` ${one.reason}: ${one.detail}`))),
  ].flat();
}

function priced(price) {
  if (!price) return "unpriced";
  const cached = price.cache_read === null ? "" : `, ${perMillion(price.cache_read)} cached`;
  const each = price.request ? `, ${exactMoney(BigInt(price.request) / 1000n)} a request` : "";
  return `${perMillion(price.input)} in${cached}, ${perMillion(price.output)} out per million${each}`;
}

function tried(attempts) {
  if (!attempts.length) return [el("p", { class: "note" }, "No provider was asked.")];
  const line = (one) => {
    const price = cost({ ...one, status: one.error ? "failed" : "ok" });
    const free = one.error && !Number(one.cost) ? { text: "–", title: "Not billed" } : price;
    return el("tr", {},
      el("td", {}, one.number),
      el("td", { class: "name" }, `${one.model} `, el("span", { class: "note" }, one.provider), one.error ? el("div", { class: "bad" }, one.error) : null, one.detail ? el("div", { class: "note" }, one.detail) : null),
      el("td", { class: "number" }, one.status || "none"),
      el("td", { class: "number", title: `first byte ${duration(one.first_byte)}` }, duration(one.duration)),
      el("td", { class: "number", title: free.title }, free.text));
  };
  const heads = ["#", "Model", "HTTP", "Took", "Cost"].map((name, at) => el("th", { scope: "col", class: at > 1 ? "number" : null }, name));
  return [el("h3", {}, "Attempts"), el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, attempts.map(line)))];
}

function asked(needs) {
  const able = ABILITIES.filter((_, bit) => needs.abilities & (1 << bit)).join(", ");
  const counts = [[needs.messages, "messages"], [needs.tools, "tools"], [needs.images, "images"]].filter(([count]) => count).map(([count, name]) => `${whole(count)} ${count === 1 ? name.slice(0, -1) : name}`);
  return el("div", {}, el("h3", {}, "What the request needs"), facts([
    ["Abilities", able || "none in particular"],
    ["Tokens", `about ${whole(needs.input_tokens)} in, ${needs.output_tokens ? `at most ${whole(needs.output_tokens)}` : "no limit on those"} out`],
    ["Holds", counts.join(", ")],
    ["Answers", needs.choices === 1 ? "" : whole(needs.choices)],
    ["Body", `${whole(needs.body_bytes)} bytes`],
  ]));
}

function stored(name, base64) {
  if (base64 === null) return null;
  const text = new TextDecoder().decode(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
  return el("details", {}, el("summary", {}, name), el("pre", {}, text));
}
