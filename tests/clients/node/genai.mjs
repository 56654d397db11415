// Google's library for JavaScript.

import { GoogleGenAI } from "@google/genai";
import { ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, errorOf, play } from "./seen.mjs";

const clientAt = (baseUrl, more = {}) => new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl }, ...more });
const client = clientAt(ROOT);
const tools = [{ functionDeclarations: [{ name: NAME, description: ABOUT, parametersJsonSchema: SCHEMA }] }];
const shown = { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } };
const options = (model, contents, config = {}) => ({ model, contents, config: { systemInstruction: SYSTEM, ...config } });

function counted(answer) {
  const { promptTokenCount: input, candidatesTokenCount: text = 0, thoughtsTokenCount: thoughts = 0 } = answer.usageMetadata;
  return { input, output: text + thoughts };
}

async function whole(model) {
  const answer = await client.models.generateContent(options(model, HELLO));
  return { text: answer.text, ...counted(answer) };
}

async function chunksOf(model, contents, config) {
  const chunks = [];
  for await (const chunk of await client.models.generateContentStream(options(model, contents, config))) chunks.push(chunk);
  return chunks;
}

async function stream(model) {
  const chunks = await chunksOf(model, HELLO);
  const pieces = chunks.map((chunk) => chunk.text).filter(Boolean);
  return { text: pieces.join(""), pieces: pieces.length, ...counted(chunks.at(-1)) };
}

async function answered(model, content, config = {}) {
  const { functionCall: call } = content.parts.find((part) => part.functionCall);
  const functionResponse = { id: call.id, name: call.name, response: { result: RESULT } };
  const said = [{ role: "user", parts: [{ text: ASK }] }, content, { role: "user", parts: [{ functionResponse }] }];
  const last = await client.models.generateContent(options(model, said, { tools, ...config }));
  const thoughts = content.parts.filter((part) => part.thought).map((part) => part.text).join("").split(/\s+/).length;
  return { name: call.name, arguments: call.args, final: last.text, thoughts };
}

async function tool(model) {
  const answer = await client.models.generateContent(options(model, ASK, { tools }));
  return answered(model, answer.candidates[0].content);
}

async function joined(model, config) {
  const chunks = await chunksOf(model, ASK, { tools, ...config });
  return { role: "model", parts: chunks.flatMap((chunk) => chunk.candidates[0].content.parts ?? []) };
}

const tool_stream = async (model) => answered(model, await joined(model));

async function thought(model) {
  const answer = await client.models.generateContent(options(model, ASK, { tools, ...shown }));
  return answered(model, answer.candidates[0].content, shown);
}

const thought_stream = async (model) => answered(model, await joined(model, shown), shown);

async function count(model) {
  return { input: (await client.models.countTokens({ model, contents: HELLO })).totalTokens };
}

const unknown = () => errorOf(() => client.models.generateContent(options("nobody", HELLO)));

async function other_spelling() {
  const texts = [];
  for (const other of [clientAt(ROOT, { apiVersion: "v1" }), clientAt(`${ROOT}/v1beta`)]) {
    texts.push((await other.models.generateContent(options(MODELS[0], HELLO))).text);
  }
  return { text: texts[0], same: texts[0] === texts[1] };
}

await play({ whole, stream, tool, tool_stream, thought, thought_stream, count }, { unknown, other_spelling });
