// OpenAI's library for JavaScript: chat completions and responses.

import OpenAI from "openai";
import { ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, errorOf, play } from "./seen.mjs";

const client = new OpenAI({ baseURL: `${ROOT}/v1`, apiKey: KEY, maxRetries: 0 });
const said = (text) => [{ role: "system", content: SYSTEM }, { role: "user", content: text }];
const tools = [{ type: "function", function: { name: NAME, description: ABOUT, parameters: SCHEMA } }];
const functions = [{ type: "function", name: NAME, description: ABOUT, parameters: SCHEMA, strict: true }];
const sealed = { store: false, include: ["reasoning.encrypted_content"], reasoning: { effort: "low", summary: "auto" } };

async function whole(model) {
  const answer = await client.chat.completions.create({ model, messages: said(HELLO) });
  const { prompt_tokens: input, completion_tokens: output } = answer.usage;
  return { text: answer.choices[0].message.content, input, output };
}

async function stream(model) {
  const options = { model, messages: said(HELLO), stream: true, stream_options: { include_usage: true } };
  const pieces = [];
  let usage;
  for await (const chunk of await client.chat.completions.create(options)) {
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices) if (choice.delta.content) pieces.push(choice.delta.content);
  }
  const { prompt_tokens: input, completion_tokens: output } = usage;
  return { text: pieces.join(""), pieces: pieces.length, input, output };
}

async function answered(model, message) {
  const call = message.tool_calls[0];
  const messages = [...said(ASK), message, { role: "tool", tool_call_id: call.id, content: RESULT }];
  const last = await client.chat.completions.create({ model, messages, tools });
  const { name, arguments: given } = call.function;
  return { name, arguments: JSON.parse(given), final: last.choices[0].message.content };
}

async function tool(model) {
  const answer = await client.chat.completions.create({ model, messages: said(ASK), tools });
  return answered(model, answer.choices[0].message);
}

async function tool_stream(model) {
  const streamed = client.chat.completions.stream({ model, messages: said(ASK), tools });
  return answered(model, (await streamed.finalChatCompletion()).choices[0].message);
}

const ask = (model, input, more = {}) => client.responses.create({ model, instructions: SYSTEM, input, ...more });

async function responses(model) {
  const response = await ask(model, HELLO);
  const { input_tokens: input, output_tokens: output } = response.usage;
  return { text: response.output_text, input, output };
}

async function responses_stream(model) {
  const streamed = client.responses.stream({ model, instructions: SYSTEM, input: HELLO });
  let pieces = 0;
  streamed.on("response.output_text.delta", () => (pieces += 1));
  const response = await streamed.finalResponse();
  return { text: response.output_text, pieces, output: response.usage.output_tokens };
}

async function resolved(model, response, more) {
  const call = response.output.find((item) => item.type === "function_call");
  const result = { type: "function_call_output", call_id: call.call_id, output: RESULT };
  const back = [{ role: "user", content: ASK }, ...response.output, result];
  const last = await ask(model, back, { tools: functions, ...more });
  return { name: call.name, arguments: JSON.parse(call.arguments), final: last.output_text };
}

async function responses_tool(model) {
  return resolved(model, await ask(model, ASK, { tools: functions, ...sealed }), sealed);
}

async function responses_tool_stream(model) {
  const streamed = client.responses.stream({ model, instructions: SYSTEM, input: ASK, tools: functions, ...sealed });
  const response = await streamed.finalResponse();
  // The SDK adds what it parsed to items; OpenAI wants them as they came.
  response.output = response.output.map(({ parsed_arguments, ...item }) => item);
  return resolved(model, response, sealed);
}

const unknown = () => errorOf(() => client.chat.completions.create({ model: "nobody", messages: said(HELLO) }));

async function other_spelling() {
  const other = new OpenAI({ baseURL: ROOT, apiKey: KEY, maxRetries: 0 });
  const answer = await other.chat.completions.create({ model: MODELS[0], messages: said(HELLO) });
  return { text: answer.choices[0].message.content };
}

async function embedded() {
  const model = MODELS.find((name) => name.includes("chat"));
  const found = await client.embeddings.create({ model, input: ["one", "two"] });
  return { sizes: found.data.map((item) => item.embedding.length) };
}

await play(
  { whole, stream, tool, tool_stream, responses, responses_stream, responses_tool, responses_tool_stream },
  { unknown, other_spelling, embedded },
);
