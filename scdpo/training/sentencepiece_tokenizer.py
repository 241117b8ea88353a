"""Read a SentencePiece model (``tokenizer.model``) as a fast tokenizer, with the ids and texts that it has.

transformers reads one only for the models that it knows. What is added to SentencePiece's own pieces stands in
``tokenizer_config.json``: special tokens, some in the place of a piece that was kept free, and the chat template. Not
covered: unigram models, and where a model that puts a space before every text has pieces of its user's: it puts none
behind such a piece, and this tokenizer does (InternLM2's models have no such pieces but the special tokens).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from scdpo.errors import MissingFileError, SettingsError

_SPACE: Final = "\u2581"
_BPE: Final = 2
_ORDINARY, _CONTROL, _USER_DEFINED = 1, 3, 4


def read_tokenizer(folder: Path, begin: int | None) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a folder.

    Args:
        folder: holds ``tokenizer.model`` and, if there is one, ``tokenizer_config.json``.
        begin: the id of the begin token, which stands before every text unless ``add_bos_token`` is false.

    Raises:
        MissingFileError: if there is no ``tokenizer.model``.
        SettingsError: if it is no model of byte-pair encoding.
    """
    file = folder / "tokenizer.model"
    if not file.is_file():
        raise MissingFileError(f"{file} is missing: the tokenizer is made of it")
    proto = sentencepiece_model_pb2.ModelProto.FromString(
        SentencePieceProcessor(model_file=str(file)).serialized_model_proto()
    )
    if proto.trainer_spec.model_type != _BPE:
        raise SettingsError(f"{file} is no byte-pair encoding; only that is read")
    settings: dict[str, Any] = {}
    if (folder / "tokenizer_config.json").is_file():
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    added = {int(id): token for id, token in settings.get("added_tokens_decoder", {}).items()}
    pieces = [added[i]["content"] if i in added else piece.piece for i, piece in enumerate(proto.pieces)]
    tokenizer = _build(proto, pieces)
    own = {
        i: AddedToken(piece.piece, normalized=False, special=piece.type == _CONTROL)
        for i, piece in enumerate(proto.pieces)
        if piece.type == _CONTROL or _is_mark(piece)
    }
    theirs = {
        i: AddedToken(**{k: v for k, v in token.items() if k != "__type"}) for i, token in added.items()
    }
    tokenizer.add_tokens([token for _, token in sorted({**own, **theirs}.items())])
    if begin is not None and settings.get("add_bos_token", True):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{pieces[begin]} $A",
            pair=f"{pieces[begin]} $A {pieces[begin]} $B",
            special_tokens=[(pieces[begin], begin)],
        )
    named = {name: _content(settings.get(f"{name}_token")) for name in ("bos", "eos", "unk", "pad")}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        clean_up_tokenization_spaces=False,
        additional_special_tokens=[token.content for token in theirs.values() if token.special],
        chat_template=settings.get("chat_template"),
        **{f"{name}_token": token for name, token in named.items() if token is not None},
    )


def _content(token: dict[str, Any] | str | None) -> str | None:
    return str(token["content"]) if isinstance(token, dict) else token


def _build(proto: Any, pieces: list[str]) -> Tokenizer:
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=_merges(proto, vocabulary),
            unk_token=pieces[proto.trainer_spec.unk_id],
            fuse_unk=True,
            byte_fallback=proto.trainer_spec.byte_fallback,
        )
    )
    prefixed = proto.normalizer_spec.add_dummy_prefix
    spaces = normalizers.Replace(" ", _SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), spaces]) if prefixed else spaces
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefixed else steps)
    return tokenizer


def _is_mark(piece: Any) -> bool:
    """Whether a piece is found in the text before all others; runs of spaces (two or more) are merged instead."""
    return piece.type == _USER_DEFINED and _SPACE not in piece.piece


def _merges(proto: Any, vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Return the merges in SentencePiece's order: it joins whatever two neighbours make the piece of highest score."""
    merges: list[tuple[float, int, int, str, str]] = []
    for piece in proto.pieces:
        if piece.type != _ORDINARY and (piece.type != _USER_DEFINED or _is_mark(piece)):
            continue
        for cut in range(1, len(piece.piece)):
            left, right = piece.piece[:cut], piece.piece[cut:]
            if left in vocabulary and right in vocabulary:
                merges.append((-piece.score, vocabulary[left], vocabulary[right], left, right))
    return [(left, right) for *_, left, right in sorted(merges)]
