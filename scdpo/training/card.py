"""The model card of a checkpoint: what it was trained with, how to ask it, and what to cite.

TRL's own card shows a chat with any model, and cites DPO for a trainer of another name.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from huggingface_hub import ModelCard, ModelCardData

from scdpo.data.formats import bound_format
from scdpo.data.tokens import Tokens

PAPER: Final = {
    "title": "Step-Controlled DPO: Leveraging Stepwise Error for Enhanced Mathematical Reasoning",
    "id": "2407.00782",
}
_TEMPLATE: Final = Path(__file__).with_name("model_card.md")
_QUESTION: Final = "A train travels 180 km in 2.5 hours. What is its speed in km/h?"
_LIBRARIES: Final = ("scdpo", "trl", "transformers", "torch", "datasets", "tokenizers")


class CardMixin:
    """Has a trainer of TRL's write our card beside each checkpoint. A base class that stands before the trainer's.

    Attributes:
        asked: how the data's prompts are written: in a ``format`` of ``sandbox.formats``, as ``messages`` through the
            tokenizer's chat template, or as plain ``text``.
        paper: what to cite for the method besides TRL; None for none.
    """

    args: Any
    model: Any
    processing_class: Any
    hub_model_id: str | None
    _name: str
    _tag_names: Any
    asked: str = "format"
    paper: dict[str, str] | None = None

    def create_model_card(
        self,
        model_name: str | None = None,
        dataset_name: str | None = None,
        tags: str | list[str] | None = None,
    ) -> None:
        """Write ``README.md`` into the output folder, once for all processes; arguments as TRL's."""
        if not self.is_world_process_zero():  # type: ignore[attr-defined]  # the trainer's
            return
        base = self.model.config._name_or_path
        named = {tags} if isinstance(tags, str) else set(tags or ())
        data = ModelCardData(
            base_model=base if base and not Path(base).is_dir() else None,
            datasets=dataset_name,
            library_name="transformers",
            model_name=model_name,
            tags=sorted({"generated_from_trainer", *self._tag_names, *named}),
        )
        card = ModelCard.from_template(
            data,
            template_path=str(_TEMPLATE),
            model_name=model_name,
            base_model=base,
            model_id=self.hub_model_id or str(self.args.output_dir),
            method=self._name,
            paper=self.paper,
            versions={library: version(library) for library in _LIBRARIES},
            asked=self.asked,
            **self._asking(),
        )
        card.save(Path(self.args.output_dir) / "README.md")

    def _asking(self) -> dict[str, Any]:
        """Return what the template needs to show how the model is asked."""
        if self.asked != "format":
            return {"question": _QUESTION}
        form = bound_format(self.args.format, self.processing_class)
        prompt = form.prompt(_QUESTION, self.args.system_prompt)
        tokens = Tokens(self.processing_class)
        stop = [*form.stop] or [self.processing_class.eos_token]
        return {
            "format": form.name,
            "system": self.args.system_prompt,
            "prompt": prompt,
            "stop": stop,
            "begins": tokens.encode_prompt(prompt) != tokens.encode(prompt),
        }
