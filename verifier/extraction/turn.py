"""The part of a model's turn that can state an answer.

Thoughts, code, tool output, and what follows the end of the turn state nothing. Every search runs once over the
text, so time grows with its length only.
"""

from __future__ import annotations

from verifier.patterns import pattern

_OUTPUT_FENCE = "```output"
_EXECUTION = "<|execution|>"
_END_OF_BLOCK = "<|endofblock|>"
# "5<|im_end|>", "5</s>"; "</answer>" is left alone.
_END_TOKENS = pattern(
    r"<\|endofmessage\|>|<\|im_end\|>|<\|endoftext\|>|<\|eot_id\|>|<\|return\|>|<end_of_turn>|</s>|<eoa>"
)
# "5<|im_start|>user" begins another turn; "<|text|>" is left alone.
_TURN = pattern(r"<\|im_start\|>|<\|user\|>|<\|start_header_id\|>|<start_of_turn>")
# Where any of these may be: "<|", "</", "<<"; "a < b" is left alone.
_TOKEN = pattern(r"<(?:[|/<]|eoa>|end_of_turn>|start_of_turn>)")
_CALCULATION = pattern(r"<<[^<>\n]{1,200}>>")  # GSM8K's notes for a calculator: 9*2 = <<9*2=18>>18
_WRAPPERS = ("<|text|>", "<|begin_of_solution|>", "<|end_of_solution|>")


# "Final answer:" and a fence of one line that holds it; a fence of Python is code.
_FENCED_ANSWER = pattern(
    r"(?<=[:：*])\s*```(?:text|txt|plain|plaintext|math|latex|tex)?\s*\n([^`\n]{1,200})\n\s*```\s*\Z"
)


def final_text(text: str) -> str:
    """Return what ``text`` says after its thoughts and its last tool output, without code."""
    text = without_thoughts(text)
    if text.rstrip().endswith("```") and (fenced := _FENCED_ANSWER.search(text)) is not None:
        text = f"{text[: fenced.start()]} {fenced[1]}"
    # One character is found much faster than a word, and a search that ends in nothing reads all of the text.
    if "<" not in text or _TOKEN.search(text) is None:
        return _without_code(text[_end_of_fenced_output(text) :]) if "`" in text else text
    text = _without_code(text[_end_of_output(text) :])
    for ending in (_TURN, _END_TOKENS):
        match = ending.search(text)
        if match and text[: match.start()].strip():
            text = text[: match.start()]
    text = _CALCULATION.sub("", text)
    for wrapper in _WRAPPERS:
        text = text.replace(wrapper, "")
    return text.replace(_END_OF_BLOCK, "\n")


# --- thoughts

# "<think>", "</thinking>", "[/THINK]"; "<thinker>" is left alone.
_THOUGHT = pattern(
    r"<(?P<tag>/?)(?:seed:)?(?:think|thinking|thoughts?|reasoning)>|<\|(?P<token>begin|end)_of_thought\|>"
    r"|\[(?P<bracket>/?)THINK\]|◁(?P<sign>/?)think▷"
)
_THOUGHT_WORDS = ("think", "thought", "THINK", "<reasoning>")
# "<|channel|>final<|message|>"; "<|channel|>" alone is left alone.
_CHANNEL = pattern(r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>")
_SPOKEN_CHANNELS = pattern(r"\Aanalysis(?=[A-Z\d\\$])")  # the tokens were left out when it was decoded


def without_thoughts(text: str) -> str:
    """Return ``text`` without its thoughts: nothing is left where one was not closed.

    A text whose first mark closes a thought began in one: the prompt had opened it.
    """
    if "<|channel|>" in text:
        channels = list(_CHANNEL.finditer(text))
        return text[channels[-1].end() :] if channels and channels[-1][1] == "final" else ""
    if text.startswith("analysis") and _SPOKEN_CHANNELS.match(text):
        return text.rpartition("assistantfinal")[2] if "assistantfinal" in text else ""
    marked = "<" in text or "[THINK" in text or "◁" in text
    if not marked or not any(word in text for word in _THOUGHT_WORDS):
        return text
    spoken: list[str] = []
    inside, begin = False, 0
    for match in _THOUGHT.finditer(text):
        closes = "/" in match[0] or match["token"] == "end"
        if closes and not inside and not spoken:
            begin = match.end()  # it began in a thought
        elif closes:
            begin = match.end() if inside else begin
            inside = False
        elif not inside:
            spoken.append(text[begin : match.start()])
            inside = True
    return "" if inside else "".join((*spoken, text[begin:]))


# --- tool output and code


def _end_of_fenced_output(text: str) -> int:
    """Return where the last tool output in a Markdown fence ends, 0 if there is none."""
    output = text.rfind(_OUTPUT_FENCE)
    if output < 0:
        return 0
    closing = text.find("\n```", output + len(_OUTPUT_FENCE))
    return closing + 4 if closing >= 0 else len(text)


def _end_of_output(text: str) -> int:
    """Return where the last tool output ends, 0 if there is none."""
    start = _end_of_fenced_output(text)
    if _EXECUTION in text and (execution := text.rfind(_EXECUTION)) >= start:
        closing = text.find(_END_OF_BLOCK, execution)
        start = closing + len(_END_OF_BLOCK) if closing >= 0 else len(text)
    return start


def _without_code(text: str) -> str:
    if "<" in text and "<|code|>" in text:
        text = "".join(
            part.split(_END_OF_BLOCK, 1)[-1] if i else part for i, part in enumerate(text.split("<|code|>"))
        )
    if "`" not in text:
        return text
    parts = text.split("```")
    return "".join(part for i, part in enumerate(parts) if i % 2 == 0 or not _is_code(part))


def _is_code(fenced: str) -> bool:
    if fenced[:4].lower() == "json":
        return "nswer" not in fenced
    return "\\boxed" not in fenced or fenced.startswith(("python", "py\n", "sympy"))
