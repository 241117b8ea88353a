r"""The built-in model's tokenizer: byte-level BPE in which every number up to 999 is one token.

Digits are cut into groups of three from the right (``1234567`` is ``1 234 567``), so that a number keeps its
tokens wherever it stands, and copying it is copying one token. Any text survives: what no merge covers falls
back to bytes, and ``decode(encode(text)) == text``. Not covered: merges for other languages, whose text
costs up to one token a byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from sandbox.formats import get_format

PAD = "<|pad|>"
CONTEXT = 1024
"""The longest sequence, in tokens, that the built-in model is made for."""

# Words and signs take the space before them, and the one after them where a number follows, so that a number
# is the same token with and without a space.
_PIECES = (
    r"[0-9]{1,3}(?=(?:[0-9]{3})*(?![0-9]))"
    r"| ?[\p{L}_]+(?: (?=[0-9]))?"
    r"| ?[^\s\p{L}_0-9]+(?: (?=[0-9]))?"
    r"|\s+"
)


def build_tokenizer(corpus: Iterable[str], merges: int) -> PreTrainedTokenizerFast:
    """Learn a tokenizer from texts.

    Args:
        corpus: texts to learn the merges from.
        merges: how many merges to learn at most, beside the bytes and the 1,110 numbers.
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = _pre_tokenizer()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + merges, initial_alphabet=alphabet, show_progress=False, min_frequency=20
    )
    # Numbers are tokens of their own already: one digit stands in for each, so that no merge is spent on them.
    learner.train_from_iterator((re.sub(r"[0-9]+", "0", text) for text in corpus), trainer)
    learned = json.loads(learner.to_str())["model"]

    special = (PAD, *get_format("mathcoder").special_tokens)
    numbers = [f"{number:0{width}d}" for width in (2, 3) for number in range(10**width)]
    pieces = [piece for piece, _ in sorted(learned["vocab"].items(), key=lambda item: item[1])]
    vocabulary = {piece: index for index, piece in enumerate([*special, *pieces, *numbers])}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, [tuple(merge) for merge in learned["merges"]], ignore_merges=True)
    )
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=get_format("mathcoder").end,
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
