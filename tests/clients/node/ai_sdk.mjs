// Vercel's AI SDK over its providers for OpenAI (chat and responses), Anthropic and Google.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool as define } from "ai";
import { ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, TOWN, errorOf, play } from "./seen.mjs";

const openai = createOpenAI({ baseURL: `${ROOT}/v1`, apiKey: KEY });
const anthropic = createAnthropic({ baseURL: `${ROOT}/v1`, apiKey: KEY });
const google = createGoogleGenerativeAI({ baseURL: `${ROOT}/v1beta`, apiKey: KEY });
const ways = { chat: openai.chat, responses: openai.responses, messages: anthropic, gemini: google };
const tools = { [NAME]: define({ description: ABOUT, inputSchema: jsonSchema(SCHEMA), execute: async () => RESULT }) };
const common = { system: SYSTEM, maxRetries: 0 };
const thinking = { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } };

function seen(text, usage) {
  return { text, input: usage.inputTokens, output: usage.outputTokens };
}

/** A plain answer, and one for which the SDK calls the tool by itself and sends its result back. */
async function whole(way, name, more = {}) {
  const model = ways[way](name);
  const plain = await generateText({ ...common, model, prompt: HELLO });
  const called = await generateText({ ...common, model, prompt: ASK, tools, stopWhen: stepCountIs(3), ...more });
  const call = called.steps[0].toolCalls[0];
  return { ...seen(plain.text, plain.usage), name: call.toolName, arguments: call.input, final: called.text };
}

async function streamed(way, name, more = {}) {
  const model = ways[way](name);
  const failed = [];
  const onError = ({ error }) => failed.push(error);
  const plain = streamText({ ...common, model, prompt: HELLO, onError });
  const pieces = [];
  for await (const piece of plain.textStream) pieces.push(piece);
  const called = streamText({ ...common, model, prompt: ASK, tools, stopWhen: stepCountIs(3), onError, ...more });
  await called.consumeStream();
  if (failed.length) throw failed[0];
  const call = (await called.steps)[0].toolCalls[0];
  const final = await called.text;
  return {
    ...seen(pieces.join(""), await plain.usage), pieces: pieces.filter(Boolean).length,
    name: call.toolName, arguments: call.input, final,
  };
}

const steps = {};
for (const way of Object.keys(ways)) {
  steps[`over_${way}`] = (name) => whole(way, name);
  steps[`over_${way}_stream`] = (name) => streamed(way, name);
}
steps.thought_messages = (name) => whole("messages", name, { providerOptions: thinking });
steps.thought_messages_stream = (name) => streamed("messages", name, { providerOptions: thinking });
steps.structured = async (name) => {
  const options = { ...common, model: openai.chat(name), prompt: TOWN, schema: jsonSchema(SCHEMA) };
  return (await generateObject(options)).object;
};

const unknown = () => errorOf(() => generateText({ ...common, model: openai.chat("nobody"), prompt: HELLO }));

async function embedded() {
  const model = openai.embedding(MODELS.find((name) => name.includes("chat")));
  const { embeddings } = await embedMany({ model, values: ["one", "two"] });
  return { sizes: embeddings.map((vector) => vector.length) };
}

await play(steps, { unknown, embedded });
