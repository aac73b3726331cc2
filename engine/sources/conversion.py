"""From a GGUF file to safetensors in Hugging Face layout, in a process of its own.

Converting takes up to a minute and cannot be interrupted from within, and the library writes a bar of its own to the
terminal. As a process it can be ended at any moment, and its words and its memory go with it.

    python -m engine.sources.conversion MODEL.gguf DIRECTORY [--digits-alone]

The weights are kept in float32, the type the GGUF blocks are computed back to: of the embedded model's values only
21 % survive bfloat16 and 58 % float16 unchanged.
"""

import argparse
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import paths
from engine.errors import ModelFilesError
from engine.quiet import quiet_libraries
from engine.sources.child import child_steps
from engine.steps import Progress, Steps

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_ERRNO = "errno "
"""Opens the last line of a process that the file system refused something, followed by the number of the error."""


def convert_steps(gguf: Path, target: Path, title: str, *, digits_alone: bool) -> Steps[None]:
    """Write the model and the tokenizer of `gguf` to the directory `target`.

    Parameters
    ----------
    title : name of the model for people
    digits_alone : whether its tokenizer splits numbers into digits, which the GGUF file does not say

    Raises
    ------
    ModelFilesError
        If the file cannot be converted; the message has the library's last words.
    OSError
        If the files cannot be written.
    """
    command = [sys.executable, "-m", "engine.sources.conversion", str(gguf), str(target)]
    log = gguf.with_name("conversion.log")
    status = yield from child_steps(
        command + ["--digits-alone"] * digits_alone,
        log,
        lambda: Progress(f"Converting {title}, once; this takes up to a minute"),
        cwd=paths.ROOT,
    )
    if status != 0:
        words = (log.read_text("utf-8", "replace").strip().splitlines() or [f"it ended with status {status}"])[-1]
        if words.startswith(_ERRNO):
            number = int(words.removeprefix(_ERRNO))
            raise OSError(number, os.strerror(number))
        raise ModelFilesError(f"{title} could not be converted: {words}. Nothing was kept; try again.")


def convert(gguf: Path, target: Path, *, digits_alone: bool) -> None:
    """The conversion itself, in this process."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_libraries():
        network: Any = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        # The weights are plain now; with these two set, saving would be refused.
        network.hf_quantizer = None
        if hasattr(network.config, "quantization_config"):
            del network.config.quantization_config
        network.save_pretrained(target, safe_serialization=True)
        tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        if digits_alone:
            _split_digits(tokenizer)
        tokenizer.save_pretrained(target)


def _remember_what_is_read() -> None:
    """Have the file parsed once, and its table of tensor names made once, which is half of the time.

    transformers parses it anew for configuration, weights and tokenizer, and makes the table for every module. For this
    process alone, which converts one file: it changes the library.
    """
    import gguf

    for name in ("GGUFReader", "get_tensor_name_map"):  # looked up in the package at every use
        setattr(gguf, name, functools.cache(getattr(gguf, name)))


def _split_digits(tokenizer: "PreTrainedTokenizerFast") -> None:
    """Give the tokenizer its own pre-tokenizer back, which the conversion from GGUF loses."""
    from tokenizers import pre_tokenizers

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def main() -> None:
    """Convert as the command line says; what the file system refuses is said by its number."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("gguf", type=Path)
    options.add_argument("target", type=Path)
    options.add_argument("--digits-alone", action="store_true")
    chosen = options.parse_args()
    _remember_what_is_read()
    try:
        convert(chosen.gguf, chosen.target, digits_alone=chosen.digits_alone)
    except OSError as error:
        if error.errno is None:
            raise
        sys.exit(f"{error}\n{_ERRNO}{error.errno}")


if __name__ == "__main__":
    main()
