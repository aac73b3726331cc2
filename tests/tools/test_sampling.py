"""Text is what the teacher would write: checked against the plain way, by frequencies, and with the real teacher."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import steps
from engine.errors import ParameterError, UnsupportedModelError
from engine.loading import load_model
from engine.model import LoadedModel
from tools.distil import objective, sampling, student
from tools.distil.config import Recipe
from tools.distil.sampling import Prompt
from tools.distil.shards import Shards

COLD = 1e-4
"""At this temperature the most probable token is drawn."""


def plain(model: LoadedModel, prompt: list[int], length: int) -> list[int]:
    """Greedy, one row, the whole row read again for every token."""
    ids = list(prompt)
    while len(ids) < length:
        ids.append(int(model.logits(model.hidden_states(torch.tensor([ids])))[0, -1].argmax()))
    return ids


def written(model: LoadedModel, prompts: list[list[int]], length: int, ends: torch.Tensor) -> list[list[int]]:
    temperatures = torch.full((len(prompts),), COLD)
    rows = sampling.continued(model, prompts, temperatures, length, ends, torch.Generator().manual_seed(0))
    return rows.tolist()


def test_rows_of_different_openings_are_written_as_each_alone(teacher: LoadedModel) -> None:
    prompts = [[65, 66, 67], [68], [70, 71, 72, 73, 74, 75, 76]]
    none_ends = torch.zeros(257, dtype=torch.bool)
    assert written(teacher, prompts, 20, none_ends) == [plain(teacher, prompt, 20) for prompt in prompts]


def test_rows_that_have_ended_leave_and_change_nothing_for_the_others(
    teacher: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [[65, 66, 67], [68], [70, 71, 72, 73], [80]]
    whole = [plain(teacher, prompt, 24) for prompt in prompts]
    ends = torch.zeros(257, dtype=torch.bool)
    ends[whole[0][6]] = True
    begun = [Prompt(prompt, 0) for prompt in prompts]
    monkeypatch.setattr(sampling, "_LOOK_EVERY", 2)
    found = written(teacher, prompts, 24, ends)
    expected = [sampling._text(np.array(row), one, ends.numpy()) for row, one in zip(whole, begun, strict=True)]
    kept = [sampling._text(np.array(row), one, ends.numpy()) for row, one in zip(found, begun, strict=True)]
    assert [text.tolist() for text in kept] == [text.tolist() for text in expected]
    assert len(kept[0]) <= 6, "the row that was to end did"
    assert -1 in found[0], "and it was not asked any more"


def test_draws_follow_the_softmax_at_each_rows_temperature() -> None:
    n, probs = 20_000, torch.tensor([0.5, 0.3, 0.2])
    temperatures = torch.tensor([1.0, 0.5]).repeat_interleave(n)
    drawn = sampling.draw(probs.log().expand(2 * n, 3), temperatures, torch.Generator().manual_seed(0))
    for some, expected in ((drawn[:n], probs), (drawn[n:], probs**2 / (probs**2).sum())):
        found = torch.bincount(some, minlength=3) / n
        assert ((found - expected).abs() < 4 * (expected * (1 - expected) / n).sqrt()).all()


def test_a_text_begins_after_what_is_not_kept_and_ends_before_what_ends_it() -> None:
    ends = np.zeros(10, dtype=bool)
    ends[9] = True
    row = np.array([9, 1, 2, 3, 9, 4, -1])
    assert sampling._text(row, Prompt([9, 1], 1), ends).tolist() == [1, 2, 3]
    assert sampling._text(np.array([9, 1, 2, 3, -1, -1]), Prompt([9, 1], 2), ends).tolist() == [2, 3]


def test_sampling_that_was_stopped_goes_on_to_the_same_files(
    recipe: Recipe, teacher: LoadedModel, kept: Shards, tmp_path: Path
) -> None:
    assert len(kept.batches) > 2
    work = sampling.sample_steps(recipe, teacher, Shards(tmp_path, 256, "x"))
    next(work)
    work.close()
    parts = Shards(tmp_path, 256, "x")
    assert len(parts.batches) == 1
    steps.run(sampling.sample_steps(recipe, teacher, parts))
    assert parts.batches == kept.batches


def test_no_text_is_both_trained_on_and_held_out(kept: Shards) -> None:
    train, held_out = ({text.tobytes() for text in kept.texts(split)} for split in ("train", "held_out"))
    assert train
    assert held_out
    assert not train & held_out


def test_openings_that_leave_no_room_for_a_text_are_refused(recipe: Recipe, teacher: LoadedModel) -> None:
    with pytest.raises(ParameterError, match="20 tokens"):
        sampling.batch_texts(replace(recipe.sampling, length=20), teacher, 256, "article", (0, 0))


def test_plain_openings_are_kept_with_their_text_and_nothing_begins_with_the_separator(teacher: LoadedModel) -> None:
    found = sampling.prompts_of(teacher, "article", ["Tea", ""], 256)
    assert [(one.token_ids, one.kept_from) for one in found] == [([256, *b"Tea"], 1), ([256], 1)]


@pytest.mark.gpu
def test_a_gpu_writes_text_and_computes_the_same_loss(
    recipe: Recipe, teacher: LoadedModel, teacher_folder: Path
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    there = load_model(str(teacher_folder), "bfloat16", "cuda")
    texts = sampling.batch_texts(recipe.sampling, there, 256, "free", (0, 0))
    assert len(texts) == recipe.sampling.rows
    windows = torch.randint(0, 256, (6, 33), generator=torch.Generator().manual_seed(0))
    network = student.build(recipe.student, 257, 256, 1)
    how = {"weight": 0.8, "chunk": 50}
    exact = objective.accumulate(network, teacher, windows, **how, autocast=False)
    rough = objective.accumulate(network.cuda(), there, windows.cuda(), **how, autocast=True)
    assert rough.kl.item() == pytest.approx(exact.kl.item(), rel=0.05)
    assert rough.cross_entropy.item() == pytest.approx(exact.cross_entropy.item(), rel=0.05)


def test_a_teacher_without_the_separator_is_refused(teacher: LoadedModel) -> None:
    assert sampling.separator_id(teacher, "<|endoftext|>") == 256
    with pytest.raises(UnsupportedModelError, match="<end>"):
        sampling.separator_id(teacher, "<end>")


def test_the_embedded_teacher_writes_plain_text(recipe: Recipe, smollm2: LoadedModel) -> None:
    separator = sampling.separator_id(smollm2, "<|endoftext|>")
    small = replace(recipe.sampling, rows=2, least_tokens=4)
    (begun,) = sampling.prompts_of(smollm2, "chat", ["Describe tea."], separator)
    assert smollm2.tokenizer.backend.decode(begun.token_ids).endswith("<|im_start|>assistant\n")
    assert begun.kept_from == len(begun.token_ids)
    decode = smollm2.tokenizer.backend.decode
    for kind, length in (("chat", len(begun.token_ids) + 20), ("story", 28)):
        for text in sampling.batch_texts(replace(small, length=length), smollm2, separator, kind, (0, 1)):
            assert 0 < len(text) < length
            assert separator < text.min()
            assert text.max() < 49_152
            words = decode(text.tolist())
            assert " " in words
            assert "<|" not in words
            assert "assistant\n" not in words
