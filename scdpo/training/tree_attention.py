"""The attention of packed rows, as an attention function registered with transformers.

On a processor it works segment by segment on ``scaled_dot_product_attention``, so no cost or memory is spent on pairs
of tokens that do not see each other; on a GPU it is one call of FlexAttention (``scdpo.training.flex``). Without a
layout it is transformers' own ``sdpa``. Not covered, and refused where it can be seen: models that do not
take their attention from the registry or have layers that mix tokens in another way, sliding windows shorter than
a sequence, attention with soft caps, sinks or a position bias. Not covered either: key-value caches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from scdpo.errors import SettingsError
from scdpo.training import flex
from scdpo.training.layout import Range, TreeLayout

TREE_ATTENTION: Final = "scdpo_tree"
LAYER_TYPES: Final = {"full_attention", "sliding_attention"}
"""The ``layer_types`` of a model's configuration that a tree can be followed through."""
REMEDY: Final = "set share_trunk: false"
_UNSUPPORTED: Final = ("softcap", "s_aux", "position_bias")


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    tree: TreeLayout | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within the tree; transformers' attention interface.

    Args:
        module: the attention layer.
        query: ``(1, heads, length, width)``.
        key: ``(1, key heads, length, width)``.
        value: as ``key``.
        attention_mask: used only without a tree.
        dropout: dropout of the attention weights.
        scaling: factor on the scores; the default of ``scaled_dot_product_attention`` if None.
        tree: the layout of the row; without it the call goes to ``sdpa`` as it stands.
        kwargs: passed on to ``sdpa``.

    Returns:
        ``(1, length, heads, width)`` and None for the weights.

    Raises:
        ValueError: if the layer has a sliding window that would cut the longest sequence, or scores tokens in
            a way that this function does not know.
    """
    unknown = [name for name in _UNSUPPORTED if kwargs.get(name) is not None]
    if unknown:
        raise SettingsError(
            f"this model's attention uses {', '.join(unknown)}, which the tree's has not; {REMEDY}"
        )
    if tree is None:
        result: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return result
    if kwargs.get("sliding_window") is not None and kwargs["sliding_window"] < tree.depth:
        raise SettingsError(
            f"a sliding window of {kwargs['sliding_window']} tokens is shorter than a sequence of "
            f"{tree.depth}; {REMEDY}"
        )
    tree.attended += 1
    if flex.takes(query, dropout):
        return flex.flex_tree_attention(query, key, value, scaling, tree).transpose(1, 2).contiguous(), None
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    outputs = []
    for index, segment in enumerate(tree.segments):
        own = slice(segment.start, segment.end)
        ranges = [*segment.context, (segment.start, segment.end)]
        outputs.append(
            torch.nn.functional.scaled_dot_product_attention(
                query[:, :, own],
                _take(key, ranges),
                _take(value, ranges),
                attn_mask=tree.mask(index, query.device) if segment.context else None,
                is_causal=not segment.context,
                dropout_p=dropout,
                scale=scaling,
            )
        )
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def _take(states: torch.Tensor, ranges: Sequence[Range]) -> torch.Tensor:
    parts = [states[:, :, start:end] for start, end in ranges]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)
