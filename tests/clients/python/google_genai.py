"""Google's library."""

from __future__ import annotations

import json

from google import genai
from google.genai import errors, types
from seen import ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, TOWN, error_of, play

PLAIN_SCHEMA = {key: value for key, value in SCHEMA.items() if key != "additionalProperties"}
OFF = types.AutomaticFunctionCallingConfig(disable=True)


def client_at(base_url, **more):
    return genai.Client(api_key=KEY, vertexai=False, http_options=types.HttpOptions(base_url=base_url, **more))


client = client_at(ROOT)


def config(**more):
    return types.GenerateContentConfig(system_instruction=SYSTEM, automatic_function_calling=OFF, **more)


def offered(schema=PLAIN_SCHEMA, field="parameters"):
    function = types.FunctionDeclaration(name=NAME, description=ABOUT, **{field: schema})
    return [types.Tool(function_declarations=[function])]


def ask(model, said=HELLO, **more):
    return client.models.generate_content(model=model, contents=said, config=config(**more))


def chunks_of(model, said=HELLO, **more):
    return list(client.models.generate_content_stream(model=model, contents=said, config=config(**more)))


def counted(answer):
    usage = answer.usage_metadata
    written = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return {"input": usage.prompt_token_count, "output": written, "finish": answer.candidates[0].finish_reason}


def whole(model):
    answer = ask(model)
    return {"text": answer.text, **counted(answer)}


def stream(model):
    chunks = chunks_of(model)
    pieces = [chunk.text for chunk in chunks if chunk.text]
    return {"text": "".join(pieces), "pieces": len(pieces), **counted(chunks[-1])}


def answered(model, content, **more):
    call = next(part.function_call for part in content.parts if part.function_call)
    result = types.Part.from_function_response(name=call.name, response={"result": RESULT})
    result.function_response.id = call.id
    history = [types.UserContent(ASK), content, types.UserContent([result])]
    last = ask(model, history, tools=offered(), **more)
    return {"name": call.name, "arguments": call.args, "final": last.text}


def tool(model):
    answer = ask(model, ASK, tools=offered(SCHEMA, "parameters_json_schema"))
    return {**answered(model, answer.candidates[0].content), "finish": answer.candidates[0].finish_reason}


def joined(chunks):
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
    return types.Content(role="model", parts=parts)


def tool_stream(model):
    return answered(model, joined(chunks_of(model, ASK, tools=offered())))


def thoughts(content):
    return len(" ".join(part.text for part in content.parts if part.thought).split())


THINKING = {"thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)}


def thought(model):
    content = ask(model, ASK, tools=offered(), **THINKING).candidates[0].content
    return {**answered(model, content, **THINKING), "thoughts": thoughts(content)}


def thought_stream(model):
    content = joined(chunks_of(model, ASK, tools=offered(), **THINKING))
    return {**answered(model, content, **THINKING), "thoughts": thoughts(content)}


def chat(model):
    """Several turns with the SDK's own chat, and its own calling of a function."""

    def get_weather(city: str) -> str:
        return f"{RESULT} in {city}"

    talk = client.chats.create(model=model, config=types.GenerateContentConfig(tools=[get_weather]))
    return {"final": talk.send_message(ASK).text, "text": talk.send_message(HELLO).text}


def structured(model):
    answer = ask(model, TOWN, response_mime_type="application/json", response_json_schema=SCHEMA)
    return json.loads(answer.text)


def count(model):
    return {"input": client.models.count_tokens(model=model, contents=HELLO).total_tokens}


def unknown():
    return error_of(lambda: ask("nobody"), errors.APIError)


def other_spelling():
    found = []
    for base_url, version in ((ROOT, "v1"), (ROOT, "v1beta"), (f"{ROOT}/v1beta", None)):
        with client_at(base_url, **({"api_version": version} if version else {})) as other:
            found.append(other.models.generate_content(model=MODELS[0], contents=HELLO).text)
    return {"text": found[0], "same": len(set(found)) == 1}


def models():
    return {"models": [model.name for model in client.models.list()]}


play(
    whole, stream, tool, tool_stream, thought, thought_stream, chat, structured, count,
    once=(unknown, other_spelling, models),
)  # fmt: skip
