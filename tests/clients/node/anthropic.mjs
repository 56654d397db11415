// Anthropic's library for JavaScript.

import Anthropic from "@anthropic-ai/sdk";
import { ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, errorOf, play } from "./seen.mjs";

const client = new Anthropic({ baseURL: ROOT, apiKey: KEY, maxRetries: 0 });
const tools = [{ name: NAME, description: ABOUT, input_schema: SCHEMA }];
const thinking = { type: "enabled", budget_tokens: 1024, display: "summarized" };

function options(model, said, more = {}) {
  const messages = typeof said === "string" ? [{ role: "user", content: said }] : said;
  return { model, max_tokens: 4096, system: SYSTEM, messages, ...more };
}

function seen(message) {
  const text = message.content.filter((block) => block.type === "text").map((block) => block.text).join("");
  return { text, input: message.usage.input_tokens, output: message.usage.output_tokens };
}

const whole = async (model) => seen(await client.messages.create(options(model, HELLO)));

async function stream(model) {
  let pieces = 0;
  const streamed = client.messages.stream(options(model, HELLO)).on("text", () => (pieces += 1));
  return { ...seen(await streamed.finalMessage()), pieces };
}

async function answered(model, message, more) {
  const call = message.content.find((block) => block.type === "tool_use");
  const result = { type: "tool_result", tool_use_id: call.id, content: RESULT };
  const said = [
    { role: "user", content: ASK },
    { role: "assistant", content: message.content },
    { role: "user", content: [result] },
  ];
  const last = seen(await client.messages.create(options(model, said, { tools, ...more })));
  const thoughts = message.content.filter((block) => block.type === "thinking").map((block) => block.thinking);
  return { name: call.name, arguments: call.input, final: last.text, thoughts: thoughts.join("").split(/\s+/).length };
}

const tool = async (model) => answered(model, await client.messages.create(options(model, ASK, { tools })));

async function tool_stream(model) {
  return answered(model, await client.messages.stream(options(model, ASK, { tools })).finalMessage());
}

async function thought(model) {
  return answered(model, await client.messages.create(options(model, ASK, { tools, thinking })), { thinking });
}

async function thought_stream(model) {
  const message = await client.messages.stream(options(model, ASK, { tools, thinking })).finalMessage();
  return answered(model, message, { thinking });
}

async function count(model) {
  const messages = [{ role: "user", content: HELLO }];
  return { input: (await client.messages.countTokens({ model, messages })).input_tokens };
}

const unknown = () => errorOf(() => client.messages.create(options("nobody", HELLO)));

async function other_spelling() {
  const other = new Anthropic({ baseURL: `${ROOT}/v1`, apiKey: KEY, maxRetries: 0 });
  return seen(await other.messages.create(options(MODELS[0], HELLO)));
}

async function bearer() {
  const other = new Anthropic({ baseURL: ROOT, apiKey: null, authToken: KEY, maxRetries: 0 });
  return seen(await other.messages.create(options(MODELS[0], HELLO)));
}

await play(
  { whole, stream, tool, tool_stream, thought, thought_stream, count },
  { unknown, other_spelling, bearer },
);
