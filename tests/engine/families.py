"""What holds for each causal family of transformers, as a table of the documentation: each is right or refused.

`python -m tests.engine.families` writes docs/families.md; `test_families.py` computes every row anew and looks for it
there.
"""

import sys
import tempfile
from collections.abc import Callable
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
from engine.models.loaded import LoadedModel
from engine.paths import ROOT
from engine.quiet import quiet_libraries
from engine.scoring import compare, score
from engine.training import starting
from engine.training.config import BiasConfig
from engine.training.patterns import Pattern
from tests.engine import fakes, small_networks
from tests.engine.small_networks import FAMILIES, Family

VOCABULARY = 288
"""Logits; the tokenizer knows fewer ids, as in models whose vocabulary is padded."""
LENGTH = 2048
DOC = ROOT / "docs" / "families.md"
RULE = "|---|---|---|---|---|---|---|\n"
"""Below this line of the document stand the rows."""
# The shortcuts of `engine.models.proofs`, in the order of the columns.
SHORTCUTS = ("pieces", "packed", "padding", "cache", "batch")

TOKENIZER = fakes.byte_tokenizer((("Ġ", "t"), ("Ġt", "h"), ("Ġth", "e"), ("a", "t"), ("Ġ", "a")))
_END = TOKENIZER.size - 1


def save(family: Family, directory: Path) -> Path:
    """Write a model of the family and the tokenizer in Hugging Face layout."""
    with quiet_libraries():
        family.network(vocab_size=VOCABULARY, end=_END, length=LENGTH).save_pretrained(directory)
        TOKENIZER.backend.save_pretrained(directory)
    return directory


class Checked:
    """One family's model and, beside it, the network that transformers itself makes of the same files."""

    def __init__(self, family: Family, directory: Path) -> None:
        self.directory = save(family, directory)
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
    found = small_networks.proved(of.model)
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
