// One call with its decision: what was planned, what was left out, what was tried, what it cost.

import { bill } from "./bill.js";
import { copyButton, el } from "./dom.js";
import { cost, duration, exactMoney, moment, perMillion, tokens, whole } from "./format.js";

// The bits of `core.model.Ability`, lowest first.
const ABILITIES = (
  "tools vision json_schema audio_input reasoning logprobs documents completions embeddings audio_output " +
  "image_output json_mode"
).split(" ");
const mark = (status, text = status) => el("span", { class: `mark ${status}` }, text);
const note = (text, name = "span") => el(name, { class: "note" }, text);

/** Everything the panel shows of `GET /api/calls/{id}`. */
export function sections({ call, attempts, decision, needs }) {
  const kind = call.status === "failed" ? "bad" : "warn";
  return [
    el("p", { class: "command" }, el("code", {}, call.id), copyButton(call.id, "Copy the call’s id")),
    call.error ? el("p", { class: `notice ${kind}` }, el("b", {}, call.error), ` ${call.detail}`) : null,
    facts(about(call, needs, attempts)),
    ...(decision ? plan(decision, attempts, call.dialect) : [note("It ended before there was a plan.", "p")]),
    ...tried(attempts),
    ...bill(call, attempts),
    ...(needs ? [el("h3", {}, "What the request needs"), facts(wanted(needs))] : []),
  ];
}

function facts(pairs) {
  const said = pairs.filter(([, value]) => value);
  const pair = ([name, value, title]) => [el("dt", {}, name), el("dd", { title }, value)];
  return el("dl", { class: "facts" }, said.map(pair));
}

function about(call, needs, attempts) {
  const price = cost(call, attempts);
  const at = moment(call.started);
  const there = call.upstream === call.model ? "" : `, there ${call.upstream}`;
  return [
    ["Status", [mark(call.status), ` HTTP ${call.http_status}`]],
    ["Asked for", `${call.asked || "–"}${call.route && call.route !== call.asked ? ` (route ${call.route})` : ""}`],
    ["Answered by", call.model && `${call.model} at ${call.provider}${there}`],
    ["Cost", price.text, price.title],
    ["Tokens", call.usage && `${tokens(call.usage)}${kinds(call.usage)}`],
    ["Began", at.text, at.iso],
    ["First byte", duration(call.first_byte)],
    ["Took", duration(call.duration)],
    shares(call, needs),
    ["Finish", call.finish],
    ["Interface", `${call.surface}, ${call.dialect}${needs?.stream ? ", streamed" : ""}`],
    ["Id in the answer", call.answer_id],
    ["Key", call.key],
    ["Session", call.session],
    ["Tags", call.tags],
    ["User", call.user],
  ];
}

function shares(call, needs) {
  if (needs?.stream) return ["Of it ours", "not told apart in a stream"];
  const theirs = Number(call.duration) - Number(call.overhead);
  const text = `${duration(call.overhead)}, ${duration(theirs)} upstream`;
  return ["Of it ours", text, "Ours includes the pauses before a retry"];
}

function kinds(usage) {
  const written = usage.cache_write + usage.cache_write_1h;
  const all = [[usage.cache_read, "from cache"], [written, "to cache"], [usage.reasoning, "thinking"]];
  return all.map(([count, name]) => (count ? `, ${whole(count)} ${name}` : "")).join("");
}

function plan(decision, attempts, dialect) {
  const { dropped, policy, propensity, reason, strategy, warnings } = decision;
  const drawn = propensity === null || propensity === 1 ? "" : `, drawn with probability ${propensity}`;
  const left = dropped.map((one) => el("li", {}, el("b", {}, one.model), ` ${one.reason}: ${one.detail}`));
  return [
    el("h3", {}, "Decision"),
    el("p", {}, `${strategy}: ${reason}${drawn}. Policy `, el("code", {}, policy), "."),
    ...warnings.map((text) => el("p", { class: "notice warn" }, text)),
    el("ol", { class: "steps" }, decision.steps.map((step) => planned(step, attempts, dialect))),
    ...(left.length ? [el("h3", {}, "Left out"), el("ul", { class: "steps" }, left)] : []),
  ];
}

function planned(step, attempts, dialect) {
  const last = attempts.filter((one) => one.model === step.model && one.provider === step.provider).at(-1);
  const result = !last ? note("not asked") : last.error ? mark("failed") : mark("ok", "answered");
  const start = step.start === "at_once" ? "starts at once" : "after a failure";
  const translated = step.dialect && step.dialect !== dialect ? `translated to ${step.dialect}` : "";
  const line = [step.tier, priced(step.price), start, translated].filter(Boolean).join(" · ");
  return el("li", {}, el("b", {}, step.model), ` at ${step.provider} `, result, el("div", { class: "note" }, line));
}

function priced(price) {
  if (!price) return "unpriced";
  const cached = price.cache_read === null ? "" : `, ${perMillion(price.cache_read)} cached`;
  const each = price.request ? `, ${exactMoney(BigInt(price.request) / 1000n)} a request` : "";
  return `${perMillion(price.input)} in${cached}, ${perMillion(price.output)} out per million${each}`;
}

function tried(attempts) {
  if (!attempts.length) return [el("p", { class: "note" }, "No provider was asked.")];
  const heads = ["#", "Model", "HTTP", "Took", "Cost"].map((name, at) =>
    el("th", { scope: "col", class: at > 1 ? "number" : null }, name),
  );
  const table = el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, attempts.map(attempted)));
  return [el("h3", {}, "Attempts"), table];
}

function attempted(one) {
  const unpriced = one.bill.state === "unpriced";
  const nothing = one.error && !one.cost && !one.usage && !unpriced;
  const price = nothing ? { text: "–", title: "Nothing billed that is known" } : cost({ ...one, unpriced });
  return el(
    "tr",
    {},
    el("td", {}, one.number),
    el(
      "td",
      { class: "name" },
      `${one.model} `,
      note(one.provider),
      one.key_env ? note(` $${one.key_env}`) : null,
      one.form === "ok" ? note(", JSON as asked") : null,
      one.form === "broken" ? el("div", { class: "bad" }, "not the JSON that was asked for") : null,
      one.error ? el("div", { class: "bad" }, one.error) : null,
      one.detail ? el("div", { class: "note" }, one.detail) : null,
    ),
    el("td", { class: "number" }, one.status || "none"),
    el("td", { class: "number", title: `first byte ${duration(one.first_byte)}` }, duration(one.duration)),
    el("td", { class: "number", title: price.title }, price.text),
  );
}

function wanted(needs) {
  const able = ABILITIES.filter((_, bit) => needs.abilities & (1 << bit)).join(", ");
  const most = needs.output_tokens ? `at most ${whole(needs.output_tokens)}` : "no limit";
  const holds = [[needs.messages, "message"], [needs.tools, "tool"], [needs.images, "image"]]
    .filter(([count]) => count)
    .map(([count, name]) => `${whole(count)} ${name}${count === 1 ? "" : "s"}`);
  return [
    ["Abilities", able || "none in particular"],
    ["Tokens in", `about ${whole(needs.input_tokens)}`],
    ["Tokens out", most],
    ["Holds", holds.join(", ")],
    ["Answers", needs.choices === 1 ? "" : whole(needs.choices)],
    ["Body", `${whole(needs.body_bytes)} bytes`],
  ];
}
