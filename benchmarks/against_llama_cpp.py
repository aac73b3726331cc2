"""Per-token log-probabilities of the embedded model against llama.cpp's on the same GGUF file.

llama.cpp is not among this project's requirements, as it is compiled on installation. Any Python that has it will do;
LLAMA_PYTHON names it:

    python3 -m venv /tmp/llama && /tmp/llama/bin/pip install numpy llama-cpp-python==0.3.36
    LLAMA_PYTHON=/tmp/llama/bin/python python -m benchmarks.against_llama_cpp

`--record` also writes tests/engine/data/llama_cpp_reference.json, which the tests compare with on every run.
"""

import json
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from engine import steps
from engine.models import registry
from engine.models.loaded import LoadedModel
from engine.models.loading import load_model
from engine.paths import ROOT
from engine.scoring import score
from engine.sources import wheels
from engine.sources.kinds import Wheels

LLAMA_PYTHON = os.environ.get("LLAMA_PYTHON") or sys.executable
REFERENCE = ROOT / "tests" / "engine" / "data" / "llama_cpp_reference.json"
LLAMA_CPP = "llama-cpp-python==0.3.36"

# Runs in the Python that has llama.cpp: texts on stdin, token ids and log-probabilities on stdout.
THERE = """
import json, sys
import llama_cpp, numpy as np
model = llama_cpp.Llama(sys.argv[1], n_ctx=1024, logits_all=True, verbose=False)
out = []
for text in json.load(sys.stdin):
    ids = model.tokenize(text.encode(), add_bos=False, special=False)
    model.reset()
    model.eval(ids)
    logits = np.array(model.scores[: len(ids)], dtype=np.float64)
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    after = [None] + [round(float(log_probs[i, ids[i + 1]]), 5) for i in range(len(ids) - 1)]
    out.append({"text": text, "token_ids": ids, "log_probs": after})
print(json.dumps({"version": llama_cpp.__version__, "texts": out}))
"""


def compare(reference: dict[str, Any], model: LoadedModel) -> dict[str, Any]:
    """How our numbers for one text stand to llama.cpp's."""
    scores = score.score_text(model, reference["text"])
    text = reference["text"][:40]
    if scores.token_ids.tolist() != reference["token_ids"]:
        return {"text": text, "same_ids": False}
    ours, theirs = scores.log_probs[1:], np.array(reference["log_probs"][1:])
    return {
        "text": text,
        "tokens": len(scores),
        "same_ids": True,
        "correlation": np.corrcoef(ours, theirs)[0, 1],
        "mean_difference_nats": np.abs(ours - theirs).mean(),
        "largest_difference_nats": np.abs(ours - theirs).max(),
    }


def record(version: str, sha256: str, texts: list[dict[str, Any]]) -> None:
    provenance = (
        f"llama.cpp through llama-cpp-python {version} on a CPU, GGUF of SHA-256 {sha256}, no BOS token, log-softmax "
        "of its logits in float64. Written by benchmarks/against_llama_cpp.py --record."
    )
    lines = ",\n".join("  " + json.dumps(text, ensure_ascii=False) for text in texts)
    REFERENCE.write_text(
        f'{{\n "provenance": {json.dumps(provenance)},\n "texts": [\n{lines}\n ]\n}}\n', encoding="utf-8"
    )


def measure(chosen: Namespace) -> dict[str, Any]:
    if subprocess.run([LLAMA_PYTHON, "-c", "import llama_cpp, numpy"], capture_output=True).returncode:
        common.skip(f"llama.cpp is not installed there. Have it with: pip install numpy {LLAMA_CPP}")
    spec = registry.resolve(registry.DEFAULT_MODEL)
    assert isinstance(spec.source, Wheels)
    texts = [entry["text"] for entry in json.loads(REFERENCE.read_text(encoding="utf-8"))["texts"]]
    with tempfile.TemporaryDirectory() as directory:
        gguf = steps.run(wheels.assemble(spec.source, Path(directory)))
        command = [LLAMA_PYTHON, "-c", THERE, str(gguf)]
        done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if chosen.record:
        record(found["version"], spec.source.gguf_sha256, found["texts"])
    model = load_model(spec, "float32", "cpu")
    return {
        "what": f"{model.title} against llama-cpp-python {found['version']} on the same GGUF file",
        "texts": [compare(text, model) for text in found["texts"]],
        "target": {"same_ids": True, "correlation": 0.998},
    }


if __name__ == "__main__":
    common.run("llama_cpp", __doc__, measure, record=(False, False, "write the tests' reference too"))
