"""The model card: what the model is, what it was made of, how good it is and what it must not be taken for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine import registry
from engine.corpus import mauve_run
from engine.errors import UnknownModelError
from tools.distil import goals
from tools.distil.config import Recipe

Figures = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Facts:
    """Everything a card is written from.

    Parameters
    ----------
    recipe : as it was run
    figures : of `evaluation.Evaluator`
    log : lines of the training log
    batches : entries of the text's manifest
    parameters, step : of the trained model
    """

    recipe: Recipe
    figures: Figures
    log: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    parameters: int
    step: int


def rendered(facts: Facts) -> str:
    """The card in Markdown."""
    parts = [_head(facts), _standing(facts), _figures(facts), _data(facts), _training(facts), _limits(facts)]
    return "\n".join(parts)


def _teacher(recipe: Recipe) -> tuple[str, str]:
    """Title and licence of the teacher."""
    try:
        spec = registry.resolve(recipe.teacher.name)
    except UnknownModelError:
        return recipe.teacher.name, "not stated"
    return spec.title, spec.licence


def _head(facts: Facts) -> str:
    shape, (title, licence) = facts.recipe.student, _teacher(facts.recipe)
    return f"""---
license: {licence.lower()}
pipeline_tag: text-generation
---
# {facts.recipe.name}

A GPT-2 of {facts.parameters / 1e6:.2f} million parameters ({shape.layers} layers, width {shape.width}, context
{shape.context:,}, tied head), distilled from {title}, whose tokenizer it shares: at every position the two
models' distributions can be compared exactly. It is made for looking at language models, not for use as an assistant.
"""


def _standing(facts: Facts) -> str:
    found = goals.verdicts(facts.figures, facts.recipe.goals)
    lines = [f"- {one.sentence}" for one in found]
    missed, steps = sum(not one.met for one in found), facts.recipe.training.steps
    said = (
        "It meets all of the goals it was made for."
        if not missed
        else (f"**It does not meet {missed} of the {len(found)} goals it was made for.**")
    )
    if facts.step < steps:
        said += f" **Its training was stopped at step {facts.step:,} of {steps:,}.**"
    return "## Goals\n\n" + said + "\n\n" + "\n".join(lines) + "\n"


def _figures(facts: Facts) -> str:
    rows = ["| | teacher | student |", "|---|---|---|"]
    for name, title in (("held_out", "held-out teacher text"), ("wikitext", "WikiText-2")):
        rows += _text_rows(facts.figures.get(name, {}), title)
    rows += _hellaswag_rows(facts.figures.get("hellaswag", {})) + _mauve_rows(facts.figures.get("mauve", {}))
    rows += _quantised_rows(facts.figures.get("quantised", {})) + _speed_rows(facts.figures.get("speed", {}))
    about = f"Measured in {facts.recipe.evaluation.precision}. Errors are standard errors; of perplexities, by text."
    return f"## Figures\n\n{about}\n\n" + "\n".join(rows) + "\n"


def _text_rows(part: Figures, title: str) -> list[str]:
    if not part or "absent" in part:
        return [_absent(title, part)]
    tokens, table = f"{part['tokens']:,} tokens", part["statistics"]
    return [
        _row(f"{title} ({tokens}), perplexity", part["perplexity_base"], part["perplexity_candidate"]),
        _row(f"{title}, bits per byte", part["bits_per_byte_base"], part["bits_per_byte_candidate"]),
        _row(f"{title}, mean KL(teacher to student), nats", None, table["kl"]),
        _row(f"{title}, same most probable token", None, table["same_top1"]),
        _row(f"{title}, correlation of log-probabilities", None, {"value": part["pearson"]}),
    ]


def _hellaswag_rows(part: Figures) -> list[str]:
    if not part or "absent" in part:
        return [_absent("HellaSwag acc_norm", part)]
    teacher, student = part["models"]
    return [_row(f"HellaSwag acc_norm ({student['items']:,} items)", teacher["acc_norm"], student["acc_norm"])]


def _mauve_rows(part: Figures) -> list[str]:
    if not part or "absent" in part:
        return [_absent("MAUVE", part)]
    teacher, student = part["sets"]
    about = f"MAUVE of {part['texts']:,} WikiText-2 paragraphs ({part['writing']}; features of {part['features']})"
    about += mauve_run.reference_text(part)
    return [_row(about, teacher["score"], student["score"])]


def _quantised_rows(part: Figures) -> list[str]:
    if not part or "absent" in part:
        return [_absent("int8 and nf4", part)]
    found = []
    for precision, student in part["student"].items():
        teacher = part["teacher"][precision]
        if "kl" not in student:  # what the others are compared with
            continue
        found += [
            _row(f"{precision}, mean KL from itself unquantised, nats", teacher["kl"], student["kl"]),
            f"| {precision}, megabytes | {teacher['megabytes']:.1f} | {student['megabytes']:.1f} |",
            f"| {precision}, time over unquantised | {teacher['seconds_ratio']:.2f} | {student['seconds_ratio']:.2f} |",
        ]
    return found


def _speed_rows(part: Figures) -> list[str]:
    if not part or "absent" in part:
        return [_absent("speed", part)]
    about = f"scoring {part['tokens']:,} tokens on a processor, {part['threads']} threads, seconds"
    return [f"| {about} | {part['teacher_seconds']:.2f} | {part['student_seconds']:.2f} |"]


def _row(about: str, teacher: Figures | None, student: Figures) -> str:
    return f"| {about} | {'' if teacher is None else _number(teacher)} | {_number(student)} |"


def _number(estimate: Figures) -> str:
    error = estimate.get("error_by_text") or estimate.get("error")
    value = "-" if estimate["value"] is None else f"{estimate['value']:.4g}"
    return value if error is None else f"{value} ± {error:.2g}"


def _absent(about: str, part: Figures) -> str:
    return f"| {about} | not measured | {part.get('absent', 'Not evaluated.')} |"


def _data(facts: Facts) -> str:
    sampling, (title, licence) = facts.recipe.sampling, _teacher(facts.recipe)
    texts, tokens = (sum(batch["train"][name] for batch in facts.batches) for name in ("texts", "tokens"))
    held_out = sum(batch["held_out"]["texts"] for batch in facts.batches)
    dropped = {
        why: sum(batch["dropped"][why] for batch in facts.batches) for why in ("short", "repetitive", "duplicate")
    }
    left_out = ", ".join(f"{count:,} {why}" for why, count in dropped.items())
    low, high = sampling.temperatures
    return f"""## Data

{texts:,} texts of {tokens:,} tokens, all written by {title} ({licence}): answers to instructions, and articles,
stories, dialogues and descriptions that it went on with from openings written for this purpose (some imitate the form
of WikiText-2, with punctuation standing alone; none of its text was used). Temperatures {low:g} to {high:g}, up to
{sampling.length} tokens a text, its instruction or opening included. Left out: {left_out} texts. {held_out:,} more
texts, chosen by a hash, were never trained on.
"""


def _training(facts: Facts) -> str:
    training, context = facts.recipe.training, facts.recipe.student.context
    seen = facts.step * training.batch * context
    looks = [line for line in facts.log if "held_out" in line]
    course = "\n".join(
        f"| {line['step']:,} | {line['held_out']['kl']:.3f} | {line['held_out']['perplexity_student']:.1f} | "
        f"{line['held_out']['correlation'] or 0:.3f} |"
        for line in _some(looks)
    )
    return f"""## Recipe

{training.weight:g} D(teacher || student) over the whole vocabulary + {1 - training.weight:g} cross-entropy of the next
token; {facts.step:,} steps of {training.batch} windows of {context:,} tokens, {seen:,} tokens seen; AdamW,
learning rate {training.learning_rate:g} with {training.warmup} steps of warm-up, then a cosine;
seed {facts.recipe.seed}.

| step | held-out KL (nats) | held-out perplexity | correlation with the teacher |
|---|---|---|---|
{course}
"""


def _some(lines: list[dict[str, Any]], most: int = 12) -> list[dict[str, Any]]:
    """At most so many lines, the first and the last among them."""
    if len(lines) <= most:
        return lines
    return [lines[round(place * (len(lines) - 1) / (most - 1))] for place in range(most)]


def _limits(facts: Facts) -> str:
    title, licence = _teacher(facts.recipe)
    return f"""## Limits

- It knows what its teacher happened to write, errors included; do not take what it says for facts. Mostly English.
- It has the teacher's leanings and none of its chat form: it goes on with a text and answers nothing.
- It reads {facts.recipe.student.context:,} tokens at once. The only special token it has read is
  `{facts.recipe.teacher.separator}`, between texts.

## Licence

{licence}, as {title}, from which it and all of its text were made.
"""
