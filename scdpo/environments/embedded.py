"""The built-in model as a chat model that calls a tool, to try a trainer with nothing downloaded.

Its blocks become messages: a code block is a call of ``python``, and the mark that opens the kernel's output ends the
turn, so the output is the tool's message. Weights and tokens are the same ones. Not for training that matters: it
knows the built-in problems alone, and it was never taught to write that mark, so at first it often goes on without
waiting for the output, and most of its answers are wrong.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from scdpo.data.problems import embedded_model_path

# What a kernel printed must not open a block: `<|endofblock|>` is shown as `<\|endofblock|>`, as in `sandbox.formats`.
_TEMPLATE = """\
<|system|><|text|><|endofblock|><|endofmessage|>
{%- for message in messages %}
    {%- set text = (message.content or '') | replace('<|', '<\\\\|') %}
    {%- if message.role == 'user' -%}
        <|user|><|text|>{{ text }}<|endofblock|><|endofmessage|>
    {%- elif message.role == 'tool' -%}
        {{ text }}<|endofblock|>
    {%- elif message.role == 'assistant' %}
        {%- if loop.previtem is not defined or loop.previtem.role != 'tool' -%} <|assistant|> {%- endif %}
        {%- if text -%} <|text|>{{ text }}<|endofblock|> {%- endif %}
        {%- for call in message.tool_calls or [] -%}
            <|code|>
            {%- if call.function.name == 'python' -%}
                {{ call.function.arguments.code }}
            {%- else -%}
                {{ call.function.name }}(**{{ call.function.arguments | tojson }})
            {%- endif -%}
            <|endofblock|><|execution|>
        {%- endfor %}
        {%- if not message.tool_calls -%} <|endofmessage|> {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt and messages[-1].role != 'tool' -%} <|assistant|> {%- endif %}"""
_RESPONSE = {
    "defaults": {"role": "assistant"},
    "start_anchor": ["<|assistant|>", "<|endofblock|>"],
    "fields": {
        "content": {"open": "<|text|>", "close": "<|endofblock|>", "repeats": True, "join": "\n"},
        "tool_calls": {
            "open": "<|code|>",
            "close": "<|endofblock|>",
            "repeats": True,
            "transform": {
                "type": "function",
                "function": {"name": "python", "arguments": {"code": "{content}"}},
            },
        },
    },
}


def embedded_tool_model(folder: Path | str, model: Path | str | None = None) -> str:
    """Write the built-in model with a chat template and a reader of its replies; return the folder.

    Args:
        folder: made where it is missing; files of these names in it are replaced.
        model: the folder of a model that was fine-tuned from the built-in one; None for that one.
    """
    folder = Path(folder)
    shutil.copytree(model or embedded_model_path(), folder, dirs_exist_ok=True)
    _change(folder / "generation_config.json", eos_token_id=[6, 8])  # <|execution|>, <|endofmessage|>
    _change(folder / "config.json", eos_token_id=6)
    _change(
        folder / "tokenizer_config.json",
        chat_template=_TEMPLATE,
        eos_token="<|execution|>",
        response_template=_RESPONSE,
    )
    return str(folder)


def _change(path: Path, **values: object) -> None:
    kept = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(kept | values, indent=2) + "\n", encoding="utf-8")
