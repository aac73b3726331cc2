"""Causal families of transformers as tiny random models, made from one table; and what holds for each, as a table.

`python -m tests.engine.families` writes docs/families.md; `test_families.py` computes every row anew and looks for it
there.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import engine
from engine import steps
from engine.errors import EngineError
from engine.evaluation.hellaswag import evaluate
from engine.evaluation.hellaswag.items import HellaSwagItem
from engine.evaluation.mauve import generation
from engine.models import proofs
from engine.models.loaded import LoadedModel
from engine.paths import ROOT
from engine.quiet import quiet_libraries
from engine.scoring import compare, score
from engine.training import starting
from engine.training.config import BiasConfig
from engine.training.patterns import Pattern
from tests.engine import fakes

VOCABULARY = 288
"""Logits; the tokenizer knows fewer ids, as in models whose vocabulary is padded."""
WINDOW = 16
"""Sliding windows, so that most rows here go beyond them."""
DOC = ROOT / "docs" / "families.md"
RULE = "|---|---|---|---|---|---|---|\n"
"""Below this line of the document stand the rows."""
# The shortcuts of `engine.models.proofs`, in the order of the columns.
SHORTCUTS = ("pieces", "packed", "padding", "cache", "batch")

TOKENIZER = fakes.byte_tokenizer((("Ġ", "t"), ("Ġt", "h"), ("Ġth", "e"), ("a", "t"), ("Ġ", "a")))
_END = TOKENIZER.size - 1

SMALL: dict[str, Any] = (
    dict.fromkeys(("hidden_size", "n_embd", "d_model", "word_embed_proj_dim"), 32)
    | dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "d_ff", "dff", "ffn_hidden_size"), 64)
    | dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2)
    | dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4)
    | dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "context_length"), 2048)
    | dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4)
    | dict.fromkeys(("state_size", "mamba_d_state", "mamba_d_head", "mamba_n_heads", "head_dim"), 8)
    | dict.fromkeys(("bos_token_id", "eos_token_id"), _END)
    | {"vocab_size": VOCABULARY, "num_key_value_heads": 2, "rotary_dim": 4, "sliding_window": WINDOW}
    | {"num_experts_per_tok": 2, "moe_intermediate_size": 32, "initializer_range": 0.3, "pad_token_id": None}
)
"""What makes a family small: each setting is given to the families that have it."""

_MLA = {"qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "kv_lora_rank": 16, "q_lora_rank": 16}
_LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [2.0, 3.0, 8.0, 30.0],
    "original_max_position_embeddings": 1100,
}


@dataclass(frozen=True)
class Family:
    """One row: the name of the family's configuration in transformers, and what it needs beside `SMALL`."""

    name: str
    model_type: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def config(self) -> transformers.PreTrainedConfig:
        """Its configuration, small."""
        cls = transformers.CONFIG_MAPPING[self.model_type or self.name]
        known = cls()
        small = {name: value for name, value in SMALL.items() if hasattr(known, name) and name not in self.without}
        return cls(**small | dict(self.settings))

    def save(self, directory: Path) -> Path:
        """Write the model and the tokenizer in Hugging Face layout."""
        with quiet_libraries():
            torch.manual_seed(1)
            network = transformers.AutoModelForCausalLM.from_config(self.config()).eval()
            network.save_pretrained(directory)
            TOKENIZER.backend.save_pretrained(directory)
        return directory


def _plain(*names: str) -> list[Family]:
    return [Family(name) for name in names]


FAMILIES: tuple[Family, ...] = (
    *_plain("afmoe", "apertus", "arcee", "bailing_hybrid", "bamba", "biogpt", "bitnet", "bloom", "codegen", "cohere"),
    *_plain("cohere2", "ctrl", "cwm", "diffllama", "doge", "ernie4_5", "ernie4_5_moe", "exaone4", "falcon_mamba"),
    Family("falcon", without=("head_dim",)),
    Family("falcon, alibi", "falcon", {"alibi": True}, ("head_dim",)),
    Family("falcon_h1", settings={"mamba_d_ssm": 64, "lm_head_multiplier": 0.3}),
    Family("deepseek_v3", settings={**_MLA, "n_group": 1, "topk_group": 1, "num_key_value_heads": 4}),
    *_plain("flex_olmo", "gemma", "gemma2", "glm", "glm4", "glm4_moe", "gpt2", "gpt_bigcode"),
    Family("gemma3", "gemma3_text", {"layer_types": ["sliding_attention", "full_attention"]}),
    Family("gpt_neo", settings={"attention_types": [[["global", "local"], 1]], "window_size": WINDOW}),
    *_plain("gpt_neox", "gpt_neox_japanese", "gpt_oss", "gptj"),
    Family("granite", settings={"logits_scaling": 8.0}),
    *_plain("granitemoe", "granitemoehybrid", "helium", "hunyuan_v1_dense"),
    Family("hyperclovax", settings={"logits_scaling": 2.5}),
    *_plain("jamba", "jetmoe", "llama", "mamba"),
    Family("lfm2", settings={"layer_types": ["conv", "full_attention"]}),
    Family("llama4_text"),
    Family("mamba2", settings={"num_heads": 8, "head_dim": 8, "hidden_size": 32, "chunk_size": 32}),
    *_plain("minimax", "ministral", "mistral", "mixtral", "mpt", "nanochat", "nemotron", "olmo", "olmo2", "olmo3"),
    *_plain("olmoe", "openai-gpt", "opt", "persimmon", "phi", "phimoe"),
    Family("phi3"),
    Family("phi3, longrope", "phi3", {"rope_parameters": _LONGROPE, "original_max_position_embeddings": 1100}),
    *_plain("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "recurrent_gemma", "rwkv", "seed_oss", "smollm3"),
    *_plain("stablelm", "starcoder2", "vaultgemma", "xglm", "xlstm"),
    Family("bert", settings={"is_decoder": False}),
    Family("xlm"),
)


class Checked:
    """One family's model and, beside it, the network that transformers itself makes of the same files."""

    def __init__(self, family: Family, directory: Path) -> None:
        self.directory = family.save(directory)
        self.model: LoadedModel = engine.load_model(str(self.directory), "float32", "cpu")

    @cached_property
    def reference(self) -> Any:
        """The network of transformers, which no code of ours has touched."""
        with quiet_libraries():
            return transformers.AutoModelForCausalLM.from_pretrained(self.directory, dtype=torch.float32).eval()

    @torch.no_grad()
    def log_probs(self, token_ids: np.ndarray | list[int]) -> np.ndarray:
        """(n, V) float64: one plain forward of the whole row, nothing kept."""
        ids = torch.as_tensor(np.asarray(token_ids))[None]
        logits = self.reference(input_ids=ids, use_cache=False).logits[0].double()
        found: np.ndarray = logits.log_softmax(-1).numpy()
        return found


SHORT = "The cat sat on the mat, and then the dog came in with a ball. ½ 🙂"
LONG = (SHORT * 40)[:1_400]
ITEM = HellaSwagItem("A cat sits", ("on a mat.", "at the end of that very long road.", "zq", "and then it sat."), 0)
OPENINGS = ("The cat sat on the", "A dog")
NEW_TOKENS = 6


def check_scores(of: Checked) -> None:
    """Log-probabilities and entropies of a short text and of one longer than a piece."""
    for text in (SHORT, LONG):
        found = score.score_text(of.model, text, top_k=0)
        plain = of.log_probs(found.token_ids)[:-1]
        target = plain[np.arange(len(plain)), found.token_ids[1:]]
        np.testing.assert_allclose(found.log_probs[1:], target, atol=1e-3)
        np.testing.assert_allclose(found.entropies[1:], -(np.exp(plain) * plain).sum(-1), atol=2e-3)
    assert len(found) > 1_024, "the long text is to be read in more than one piece"


def check_comparison(of: Checked) -> None:
    """A model beside itself: no divergence, and both sides as the plain forward has them."""
    found = compare.compare_models(of.model, of.model, SHORT, top_k=0)
    plain = of.log_probs(found.a.token_ids)[:-1]
    target = plain[np.arange(len(plain)), found.a.token_ids[1:]]
    np.testing.assert_allclose(found.log_probs_b[1:], target, atol=1e-3)
    assert found.kl_ab is not None
    assert np.nanmax(found.kl_ab) == 0.0


def check_hellaswag(of: Checked) -> None:
    """Sums of the endings' log-probabilities."""
    context = of.model.tokenizer.encode(ITEM.context).token_ids
    expected = []
    for ending in ITEM.endings:
        ids = of.model.tokenizer.encode(f"{ITEM.context} {ending}").token_ids
        plain = of.log_probs(ids)
        expected.append(sum(plain[place - 1, ids[place]] for place in range(len(context), len(ids))))
    found = evaluate.evaluate_hellaswag(of.model, [ITEM]).log_likelihoods[0]
    np.testing.assert_allclose(found, expected, atol=1e-2)


def check_generation(of: Checked) -> None:
    """Two openings of unlike length continued together as each is alone, the whole row anew for every token."""
    sampling = generation.Sampling(temperature=0.0, new_tokens=NEW_TOKENS)
    found = steps.run(generation.continue_texts_steps(of.model, OPENINGS, sampling))
    assert found == [_greedy(of, opening) for opening in OPENINGS]


def _greedy(of: Checked, opening: str) -> str:
    ids = of.model.tokenizer.encode(opening).token_ids.tolist()
    for _ in range(NEW_TOKENS):
        chosen = int(of.log_probs(ids)[-1].argmax())
        if chosen in generation.end_ids(of.model):
            break
        ids.append(chosen)
    text: str = of.model.tokenizer.backend.decode(ids, clean_up_tokenization_spaces=False)
    return text.rstrip("\ufffd")


def check_training(of: Checked) -> None:
    """Loss of the pull and its gradients at every weight."""
    config = BiasConfig(pattern=Pattern(text="a"), start=str(of.directory), context_length=12, device="cpu")
    trainee = steps.run(starting.start_steps(config, of.model))
    ids = torch.randint(_END, (2, 12), generator=torch.Generator().manual_seed(0))
    ours = trainee.target.loss(trainee.log_probs(trainee.hidden_states(ids)[:, -1]), "forward")
    ours.backward()
    network = of.reference
    network.requires_grad_(True)
    logits = network(input_ids=ids, use_cache=False).logits[:, -1].float()
    plain = trainee.target.loss(logits.log_softmax(-1), "forward")
    plain.backward()
    assert abs(ours.item() - plain.item()) < 1e-3
    expected = dict(network.named_parameters())
    for name, weight in trainee.network.named_parameters():
        gradient, wanted = weight.grad, expected[name].grad
        assert (gradient is None) == (wanted is None), name
        if gradient is not None:
            largest = max(1e-3, wanted.abs().max().item())
            assert (gradient - wanted).abs().max().item() < 1e-3 * largest, name


CHECKS: dict[str, Callable[[Checked], None]] = {
    "scores": check_scores,
    "comparison": check_comparison,
    "HellaSwag": check_hellaswag,
    "continuations": check_generation,
    "training": check_training,
}


def row(family: Family, directory: Path) -> str:
    """The family's line of the table. Raises AssertionError if a number is wrong."""
    try:
        of = Checked(family, directory)
    except EngineError as error:
        reason = str(error).split(". ")[0].replace(directory.name, "it").rstrip(".")
        return f"| {family.name} | refused: {reason} |{' |' * len(SHORTCUTS)}"
    refused = []
    for name, check in CHECKS.items():
        try:
            check(of)
        except EngineError as error:
            refused.append(f"{name} refused: {str(error).replace(directory.name, 'it')}")
    found = proofs.outcome(of.model)
    ways = [{True: "proved", False: "plain way", None: "not asked"}[found.get(name)] for name in SHORTCUTS]
    return f"| {family.name} | {'; '.join(refused) or 'all'} | {' | '.join(ways)} |"


def main() -> None:
    """Write the rows of the table anew; what stands above them in the document stays."""
    above, rule, _ = DOC.read_text(encoding="utf-8").partition(RULE)
    lines = []
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(row(family, Path(folder)))
        print(lines[-1], file=sys.stderr)
    DOC.write_text(above + rule + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
