"""The sets of texts that MAUVE compares: given, or openings continued by models; placed and scored, each stage kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import errors
from engine.arrays import Floats, Floats32
from engine.evaluation.corpora.corpus import repeated_note
from engine.evaluation.evaluation import Work
from engine.evaluation.mauve import result, score
from engine.evaluation.mauve.features import short_note, text_features_steps
from engine.evaluation.mauve.generation import Sampling, continue_texts_steps
from engine.evaluation.runs.batches import Content, Keeper, kept_steps
from engine.evaluation.runs.store import Batch
from engine.models.loaded import LoadedModel
from engine.models.opening import Bos
from engine.steps import Progress, Stages, Steps
from engine.text.tokens import TextTokenizer

_WRITING = 20.0  # characters that are read in the time it takes to write a token
_CLUSTERING = 20_000.0  # and to cluster two sets and their halves


@dataclass(frozen=True, eq=False)
class Crowds:
    """Human texts, and each other set under its title; `writing` says how models wrote, empty if none did."""

    human: Sequence[str]
    others: Sequence[tuple[str, Sequence[str]]]
    notes: tuple[str, ...] = ()
    writing: str = ""


def sizes(work: Work, writers: int) -> list[float]:
    """How much there is to write, if models write, and to read and cluster, in characters read."""
    reading = (1 + max(1, writers)) * sum(map(len, work.inputs["human"]))
    written = writers * len(work.inputs["human"]) * work.settings["sampling"]["new_tokens"] if writers else 0
    return [*([_WRITING * written] if writers else []), reading + max(1, writers) * _CLUSTERING]


def written_steps(work: Work, writers: Sequence[LoadedModel], tokenizer: TextTokenizer, bos: Bos) -> Steps[Crowds]:
    """Cut the human texts by `tokenizer`, and let each writer continue their openings."""
    sampling = Sampling(**work.settings["sampling"])
    yield Progress("Cutting the openings", 0, len(work.inputs["human"]), "texts")
    pairs = _openings(tokenizer, work.inputs, work.settings["opening_tokens"], sampling.new_tokens)
    dropped = len(work.inputs["human"]) - len(pairs)
    score.check_sizes(len(pairs), len(pairs))
    openings, human = [opening for opening, _ in pairs], [text for _, text in pairs]
    others, stages = [], Stages(*[1] * len(writers))
    for number, writer in enumerate(writers, start=1):
        limits = _limits(writer.tokenizer, pairs, sampling.new_tokens)
        writing = continue_texts_steps(
            writer, openings, sampling, bos=bos, limits=limits, keep=work.keep, stage=f"texts {number}"
        )
        others.append((writer.title, (yield from stages.next(writing))))
    notes = (f"{dropped:,} texts are no longer than their opening and were left out.",) if dropped else ()
    return Crowds(human, others, notes, sampling.sentence)


def scored_steps(features: LoadedModel, crowds: Crowds, seeds: int, bos: Bos, keep: Keeper) -> Steps[list[Batch]]:
    """Place all texts by the model `features`, and score each other set against the human one."""
    human, done = crowds.human, list[Batch]()
    lengths = [sum(map(len, texts)) for _, texts in crowds.others]
    stages = Stages(sum(map(len, human)), *(size for length in lengths for size in (length, _CLUSTERING)))
    placing = text_features_steps(features, human, bos=bos, keep=keep, what="the human texts")
    p_features = yield from stages.next(placing)
    said = (*crowds.notes, *short_note(features, human, "the human texts"))
    for number, (title, texts) in enumerate(crowds.others):
        placing = text_features_steps(features, texts, bos=bos, keep=keep, what=f"texts of {title}")
        q_features = yield from stages.next(placing)
        data = {"title": title, "texts": texts, "human": None if number else human, "writing": crowds.writing}
        data |= {"features": features.title, "notes": (*said, *_repeats(human, texts))}
        halves = result.halves_of(done[0]) if done and len(texts) == len(crowds.others[0][1]) else None
        alike = None if halves is None else halves.alike
        work = _score_steps(p_features, q_features, seeds, data, alike)
        done.append((yield from stages.next(kept_steps(keep, result.STAGE, number, work))))
    return done


def _openings(tokenizer: TextTokenizer, inputs: Mapping[str, Any], opening: int, new: int) -> list[tuple[str, str]]:
    """Each text's opening, and the text cut to that plus `new` tokens; texts that end with their opening drop out."""
    pairs = []
    for number, text in enumerate(inputs["human"]):
        spans = tokenizer.encode(text).spans
        if inputs["openings"] is not None:
            end = len(inputs["openings"][number])
            opening_tokens = int(np.searchsorted(spans[:, 0], end))
        else:
            opening_tokens = min(opening, len(spans))
            end = int(spans[opening_tokens - 1, 1])
        stop = int(spans[min(opening_tokens + new, len(spans)) - 1, 1])
        if stop > end:
            pairs.append((text[:end], text[:stop]))
    if not pairs:
        raise errors.InputError(f"No text is longer than its opening of {opening} tokens. Give longer texts.")
    return pairs


def _limits(tokenizer: TextTokenizer, pairs: Sequence[tuple[str, str]], most: int) -> list[int]:
    """As many new tokens as the human text has after the opening, so that length gives nothing away."""
    found = [len(tokenizer.encode(text)) - len(tokenizer.encode(opening)) for opening, text in pairs]
    return [min(max(1, length), most) for length in found]


def _repeats(human: Sequence[str], texts: Sequence[str]) -> tuple[str, ...]:
    both = len(set(human) & set(texts))
    shared = (f"{both:,} texts are in both sets, which raises the score.",) if both else ()
    return (*repeated_note(human), *repeated_note(texts), *shared)


def _score_steps(
    p_features: Floats32, q_features: Floats32, seeds: int, data: dict[str, Any], alike: Floats | None
) -> Steps[Content]:
    chosen = tuple(score.DEFAULT_SEEDS[0] + number for number in range(seeds))
    arrays, measured = result.to_record(*(yield from score.measured_steps(p_features, q_features, chosen, alike=alike)))
    return arrays, {**data, **measured}
