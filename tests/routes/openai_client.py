"""PyPI openai against a server: prints as JSON what it got. Arguments: address, API key."""

import json
import sys

import openai

url, key = sys.argv[1:]
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
messages = [{"role": "user", "content": "hi"}]

whole = client.chat.completions.create(
    model="world:tiny@0.7,0.3",
    messages=[{"role": "system", "content": "be brief"}, *messages],
    seed=1,
    max_tokens=50,
)
field = client.chat.completions.create(
    model="tiny", messages=messages, seed=1, extra_body={"preference": [0.7, 0.3]}
)
# An answer sent back as it came is a message like any other.
client.chat.completions.create(
    model="tiny", messages=[*messages, whole.choices[0].message.model_dump(), *messages]
)

streamed, usage = "", None
for chunk in client.chat.completions.create(
    model="tiny", messages=messages, stream=True, stream_options={"include_usage": True}
):
    streamed += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    usage = chunk.usage.completion_tokens if chunk.usage else usage

errors, param = [], None
stranger = client.with_options(api_key="sk-other")
tools = [{"type": "function", "function": {"name": "f"}}]
for ask in (
    lambda: client.chat.completions.create(model="none", messages=messages),
    lambda: client.chat.completions.create(model="tiny", messages=messages, tools=tools),
    lambda: stranger.chat.completions.create(model="tiny", messages=messages),
):
    try:
        ask()
    except openai.APIStatusError as error:
        errors.append(type(error).__name__)
        param = error.param or param

print(json.dumps({
    "whole": whole.choices[0].message.content,
    "total_tokens": whole.usage.total_tokens,
    "field": field.choices[0].message.content,
    "streamed": streamed,
    "usage": usage,
    "models": "world:tiny" in [model.id for model in client.models.list()],
    "errors": errors,
    "param": param,
}))
