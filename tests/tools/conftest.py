"""A teacher of 257 tokens that computes in no time and yet has something to teach, and a recipe of its size."""

from pathlib import Path

import pytest
import torch
from transformers import GPT2LMHeadModel

from engine import steps
from engine.loading import load_model
from engine.model import LoadedModel
from engine.sources import scratch
from engine.sources.kinds import Scratch
from tests.engine import fakes
from tools.distil import config, sampling
from tools.distil.config import Recipe
from tools.distil.shards import Shards

RECIPE = """
name = "small"
seed = 3
[teacher]
name = "{teacher}"
precision = "float32"
separator = "<|endoftext|>"
[sampling]
tokens = 3_600
rows = 24
length = 96
temperatures = [0.8, 1.0]
kinds = ["chat", "article", "free"]
least_tokens = 16
most_repeated = 0.5
held_out = 0.1
[student]
layers = 1
width = 32
heads = 2
context = 32
[training]
steps = 60
batch = 8
chunk = 100
weight = 0.8
learning_rate = 1e-2
warmup = 5
floor = 0.1
weight_decay = 0.01
clip = 1.0
log_every = 10
evaluate_every = 30
save_every = 7
held_out_windows = 8
[evaluation]
precision = "float32"
held_out_texts = 3
wikitext_tokens = 200
hellaswag_items = 4
mauve_texts = 0
mauve_new_tokens = 8
quantised_texts = 1
timed_tokens = 64
[goals]
held_out_perplexity_ratio = 2.5
held_out_correlation = 0.85
wikitext_bits_per_byte_ratio = 1.5
hellaswag_acc_norm = 0.26
scoring_speed_ratio = 4.0
"""


@pytest.fixture(scope="session")
def teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2 over bytes. Its large embeddings make it expect some bytes far more than others."""
    folder = tmp_path_factory.mktemp("teacher") / "byte-teacher"
    shape = scratch.config(Scratch(layers=1, width=32, heads=2, context_length=256), 257)
    network = GPT2LMHeadModel(shape)
    scratch.draw_weights(network, 0)
    with torch.no_grad():
        network.transformer.wte.weight.mul_(25.0)
    network.save_pretrained(folder)
    fakes.byte_tokenizer().backend.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def teacher(teacher_folder: Path) -> LoadedModel:
    return load_model(str(teacher_folder), "float32", "cpu")


@pytest.fixture(scope="session")
def recipe_file(teacher_folder: Path) -> Path:
    path = teacher_folder.parent / "small.toml"
    path.write_text(RECIPE.format(teacher=teacher_folder), "utf-8")
    return path


@pytest.fixture(scope="session")
def recipe(recipe_file: Path) -> Recipe:
    return config.read(recipe_file)


@pytest.fixture(scope="session")
def kept(recipe: Recipe, teacher: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """The text of the recipe, sampled without a break."""
    found = Shards(tmp_path_factory.mktemp("text"), 256, "x")
    steps.run(sampling.sample_steps(recipe, teacher, found))
    return found
