"""Exported token columns carry all that another trainer needs to compute the same loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from sandbox import Block, Solution
from scdpo.cli import app
from scdpo.data.export import ROW_GROUP, export_pairs
from scdpo.data.import_solutions import as_record
from scdpo.data.pairs import step_controlled_pair
from scdpo.data.records import OriginRecord
from scdpo.data.runs import Run
from scdpo.training.config import SCDPOConfig
from scdpo.training.trainer import SCDPOTrainer

BETA = 0.1


def exported(pairs_file: Path, tokenizer: Path | str, run: Path) -> Any:
    run.mkdir()
    (run / "pairs.jsonl").write_bytes(pairs_file.read_bytes())
    return CliRunner().invoke(app, ["export", str(run), "--tokenizer", str(tokenizer)])


def test_dpo_by_hand_on_the_exported_columns_is_the_trainers_loss(
    tiny_model: Path, pairs_file: Path, pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    result = exported(pairs_file, tiny_model, tmp_path / "run")
    assert result.exit_code == 0, result.output
    rows = list(Dataset.from_parquet(str(tmp_path / "run" / "export" / "pairs.parquet")))
    reference = AutoModelForCausalLM.from_pretrained(tiny_model)
    policy = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        for weight in policy.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))

    def log_ratio(row: dict[str, Any], side: str) -> torch.Tensor:
        ids = torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]])
        counted = torch.tensor([0] * len(row["prompt_ids"]) + row[f"{side}_mask"])[1:]
        mine, before = (
            model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
            for model in (policy, reference)
        )
        return ((mine - before) * counted).sum()

    with torch.no_grad():
        margins = torch.stack([log_ratio(row, "chosen") - log_ratio(row, "rejected") for row in rows])
        expected = -logsigmoid(BETA * margins).mean().item()
    args = SCDPOConfig(
        output_dir=str(tmp_path), beta=BETA, max_length=512, use_cpu=True, bf16=False, report_to="none",
        gradient_checkpointing=False, per_device_train_batch_size=len(rows), disable_tqdm=True,
    )  # fmt: skip
    trainer = SCDPOTrainer(
        policy, ref_model=reference, args=args, train_dataset=Dataset.from_list(pairs),
        processing_class=AutoTokenizer.from_pretrained(tiny_model),
    )  # fmt: skip
    policy.eval()
    batch = trainer.data_collator(list(trainer.train_dataset))
    assert trainer.compute_loss(policy, batch).item() == pytest.approx(expected, rel=1e-4)
    assert abs(expected - 0.6931) > 1e-2  # the two models differ enough for the masks to matter


def test_a_tokenizer_that_is_not_there_is_named(pairs_file: Path, tmp_path: Path) -> None:
    result = exported(pairs_file, tmp_path / "nowhere", tmp_path / "run")
    assert result.exit_code == 1
    assert "nowhere" in result.output


def test_a_text_that_goes_on_from_the_prefix_s_is_exported_as_it_was_sampled(tmp_path: Path) -> None:
    blocks = (Block("text", "Add."), Block("code", "1 + 1"), Block("execution", "2"))
    chosen = as_record(Solution(blocks), "1 + 1?", "2", id="s", problem_id="p", format="markdown")
    origin = OriginRecord(chosen_id="s", rejected_id="s@0.0.0", corruptor="temperature")
    pair = step_controlled_pair(chosen, 0, [Block("text", "It is 3.")], [], "3", origin)
    export_pairs([pair], tmp_path / "pairs.parquet", "")
    (row,) = Dataset.from_parquet(str(tmp_path / "pairs.parquet"), keep_in_memory=True)
    assert row["prompt"] + row["rejected"] == "1 + 1?\n\nAdd.\nIt is 3.\n"


def many(folder: Path, lines: list[str], count: int) -> Run:
    with (folder / "pairs.jsonl").open("w") as file:
        for number in range(count):
            record = json.loads(lines[number % len(lines)])
            file.write(json.dumps(record | {"id": f"{number}", "problem_id": f"p{number // 2}"}) + "\n")
    return Run(folder)


def test_pairs_are_written_group_by_group_and_all_of_them_arrive(pairs_file: Path, tmp_path: Path) -> None:
    run = many(tmp_path, pairs_file.read_text().splitlines(), 3 * ROW_GROUP + 7)
    assert export_pairs(run.pairs, tmp_path / "out.parquet") == 3 * ROW_GROUP + 7
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [ROW_GROUP] * 3 + [7]
    assert file.read(["id"])["id"].to_pylist() == [str(n) for n in range(3 * ROW_GROUP + 7)]
    assert not (tmp_path / "out.parquet.part").exists()


def test_an_export_that_cannot_be_written_is_told_in_one_line(pairs_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "pairs.jsonl").write_bytes(pairs_file.read_bytes())
    (tmp_path / "docs").mkdir()
    for place in (tmp_path / "docs", "/", "/proc/x", "/proc/x/y", "/dev/null/x", "/dev/full/x.parquet"):
        result = CliRunner().invoke(app, ["export", str(run), "--out", str(place)])
        assert result.exit_code == 1
        assert result.output.startswith(f"error: cannot write {place}: ")
        assert result.output.count("\n") == 1
    assert "--out names a file" in result.output
    assert "--tokenizer" not in result.output
    assert list((tmp_path / "docs").iterdir()) == []


def test_an_export_is_pushed_to_a_private_data_set_with_its_card(
    pairs_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str, bool | None]] = []

    class Hub:
        def create_repo(self, name: str, *, repo_type: str, private: bool, exist_ok: bool) -> str:
            done.append((name, repo_type, private))
            return f"https://hub/datasets/{name}"

        def upload_file(
            self, *, path_or_fileobj: Path, path_in_repo: str, repo_id: str, repo_type: str
        ) -> None:
            assert path_or_fileobj.is_file()
            done.append((repo_id, path_in_repo, None))

    monkeypatch.setattr("scdpo.data.export.HfApi", Hub)
    run = tmp_path / "run"
    run.mkdir()
    (run / "pairs.jsonl").write_bytes(pairs_file.read_bytes())
    result = CliRunner().invoke(app, ["export", str(run), "--push", "me/pairs"])
    assert result.exit_code == 0, result.output
    assert "https://hub/datasets/me/pairs" in result.output.replace("\n", "")
    assert done == [
        ("me/pairs", "dataset", True),
        ("me/pairs", "pairs.parquet", None),
        ("me/pairs", "README.md", None),
    ]


def test_a_hub_that_refuses_is_told_and_the_file_is_there(
    pairs_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("401: no token")

    monkeypatch.setattr("scdpo.data.export.HfApi.create_repo", refuse)
    run = tmp_path / "run"
    run.mkdir()
    (run / "pairs.jsonl").write_bytes(pairs_file.read_bytes())
    result = CliRunner().invoke(app, ["export", str(run), "--push", "me/pairs"])
    assert result.exit_code == 1
    assert "cannot push to me/pairs: 401: no token" in result.output
    assert (run / "export" / "pairs.parquet").is_file()
