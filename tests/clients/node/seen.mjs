// What every script here shares: it plays a client against a gateway and prints what it saw, as JSON.
// `script.mjs ROOT KEY MODEL,MODEL,…`, as the Python ones.

const [root, key, models] = process.argv.slice(2);
export const ROOT = root.replace(/\/+$/, "");
export const KEY = key;
export const MODELS = models.split(",");
export const SYSTEM = "You are brief.";
export const HELLO = "hello";
export const TOWN = "which city";
export const ASK = "use get_weather";
export const RESULT = "18 degrees";
export const NAME = "get_weather";
export const ABOUT = "The weather in a city.";
export const SCHEMA = {
  type: "object",
  properties: { city: { type: "string", enum: ["Paris"] } },
  required: ["city"],
  additionalProperties: false,
};

export async function play(steps, once = {}) {
  const seen = {};
  for (const model of MODELS) {
    seen[model] = {};
    for (const [name, step] of Object.entries(steps)) seen[model][name] = await tried(() => step(model));
  }
  seen[""] = {};
  for (const [name, step] of Object.entries(once)) seen[""][name] = await tried(step);
  console.log(JSON.stringify(seen));
}

async function tried(step) {
  try {
    return await step();
  } catch (error) {
    const line = /\/(\w+\.mjs:\d+)/.exec(error.stack?.split("\n").find((it) => !it.includes("node_modules")) ?? "")?.[1];
    return { failed: `${line ?? "?"}: ${error.constructor.name}: ${error.message}`.slice(0, 1500) };
  }
}

export async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    const status = error.status ?? error.statusCode ?? error.lastError?.statusCode ?? null;
    return { error: error.constructor.name, status, message: error.message };
  }
  return { failed: "no error was raised" };
}
