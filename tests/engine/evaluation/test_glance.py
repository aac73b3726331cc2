"""The table of a pair out of its runs, the hub's data set where there is no hub, and the commands."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from engine.commands import main
from engine.errors import UnreachableError
from engine.evaluation import glance
from engine.evaluation.hellaswag import hub_items
from engine.evaluation.runs.store import Run
from engine.models.request import ModelRequest
from engine.steps import run as run_steps

BASE, CANDIDATE = ModelRequest("smollm2-135m", "float32"), ModelRequest("smollm2-135m", "nf4")


def run(
    kind: str, settings: dict[str, object], summary: dict[str, object], models: dict[str, object] | None = None
) -> Run:
    return Run("r" + kind, kind, "title", 0.0, 0.0, True, settings, models or {}, "hash", {}, summary)


def estimate(value: float) -> dict[str, float | None]:
    return {"value": value, "error": 0.1, "error_by_text": None}


@pytest.fixture
def runs() -> list[Run]:
    pair = [["smollm2-135m", "float32"], ["smollm2-135m", "nf4"]]
    numbers = {
        "tokens": 1000,
        "shared_vocabulary": True,
        "kl_undefined_reason": None,
        "statistics": {"kl": estimate(0.2)},
        **{
            f"{name}_{role}": estimate(value)
            for name, value in (("perplexity", 20), ("bits_per_byte", 1))
            for role in ("base", "candidate")
        },
        "tokens_base": 1000,
        "seconds_base": 2.0,
        "tokens_candidate": 1000,
        "seconds_candidate": 4.0,
    }
    memory = {"base": {"memory_bytes": 538e6, "device": "cpu"}, "candidate": {"memory_bytes": 110e6, "device": "cpu"}}
    answers = [{"items": 50, "acc": estimate(0.3), "acc_norm": estimate(0.4)}] * 2
    return [
        run("divergence", {"base": pair[0], "candidate": pair[1]}, numbers, memory),
        run("hellaswag", {"models": pair}, {"models": answers}),
    ]


def test_each_measure_has_both_models_and_what_was_not_measured_is_none(runs: list[Run]) -> None:
    rows = {row.measure: row for row in glance.rows(BASE, CANDIDATE, runs)}
    assert rows["KL to the base"].base == glance.Estimate(0.0)
    assert rows["KL to the base"].candidate.value == 0.2
    assert rows["HellaSwag, acc_norm"].basis == "50 items, with nothing in front"
    assert (rows["Speed"].base.value, rows["Speed"].candidate.value) == (500, 250)
    assert rows["Memory"].candidate.value == pytest.approx(0.11)
    assert rows["MAUVE"].base is None


def test_a_mauve_score_says_what_sets_that_are_alike_score(runs: list[Run]) -> None:
    pair = {"models": [["smollm2-135m", "float32"], ["smollm2-135m", "nf4"]]}
    one = {"score": estimate(0.7), "reference": {"texts": [250, 240], "alike": {"score": estimate(0.96)}}}
    kept = run("mauve", pair, {"texts": 500, "writing": "temperature 1", "sets": [one, one]})
    row = next(row for row in glance.rows(BASE, CANDIDATE, [*runs, kept]) if row.measure == "MAUVE")
    assert (
        row.basis
        == "500 texts, temperature 1, with nothing in front; 250 human texts against 240 others score 0.960 ± 0.100"
    )
    del one["reference"]
    row = next(row for row in glance.rows(BASE, CANDIDATE, [*runs, kept]) if row.measure == "MAUVE")
    assert row.basis == "500 texts, temperature 1, with nothing in front"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "1,000 tokens, with nothing in front"),
        ({"bos": "auto"}, "1,000 tokens, opened by its tokenizer"),
        ({"bos": "on"}, "1,000 tokens, opened with its token"),
    ],
)
def test_the_newest_run_counts_however_its_texts_open_and_says_how(
    runs: list[Run], settings: dict[str, object], said: str
) -> None:
    newest = replace(runs[0], settings=runs[0].settings | settings, id="newest")
    rows = {row.measure: row for row in glance.rows(BASE, CANDIDATE, [newest, *runs])}
    assert rows["Perplexity"].run_id == "newest"
    assert rows["Perplexity"].basis == said


def test_runs_of_another_pair_do_not_count(runs: list[Run]) -> None:
    assert all(row.base is None for row in glance.rows(CANDIDATE, BASE, runs))


def test_the_table_goes_out_in_three_forms(runs: list[Run]) -> None:
    table = glance.rows(BASE, CANDIDATE, runs)
    assert "| KL to the base (nats) | 0 | 0.20 ± 0.10 | 1,000 tokens, with nothing in front |" in glance.to_markdown(
        table, "A", "B"
    )
    assert '"""KL to the base""","""nats""",0.0,,0.2,0.1' in glance.to_csv(table)
    assert json.loads(json.dumps(glance.to_json(table)))[2]["candidate"]["value"] == 0.2


def by_text(value: float, **more: object) -> dict[str, object]:
    return {"value": value, "error": 0.1, "error_by_text": 0.3, **more}


def test_a_stated_error_is_over_texts_in_every_form(runs: list[Run]) -> None:
    runs[0].summary["statistics"] = {"kl": by_text(0.2, texts=8, tokens=1000, low=None, high=None), "texts": 8}
    table = glance.rows(BASE, CANDIDATE, runs)
    said = glance.to_markdown(table, "A", "B")
    assert "| KL to the base (nats) | 0 | 0.20 ± 0.30 | 1,000 tokens of 8 texts, with nothing in front |" in said
    assert "Only 8 texts" in said
    kl = next(row for row in csv.DictReader(io.StringIO(glance.to_csv(table))) if "KL" in row["measure"])
    reach = stats.t.ppf(0.975, 7) * 0.3
    assert (float(kl["candidate_error"]), json.loads(kl["error_over"])) == (0.3, "texts")
    assert [float(kl["candidate_low"]), float(kl["candidate_high"])] == pytest.approx([0.2 - reach, 0.2 + reach])
    candidate = glance.to_json(table)[2]["candidate"]
    assert (candidate["error"], candidate["error_over"]) == (0.3, "texts")
    assert glance.to_json(table)[3]["candidate"]["error_over"] == "questions"


def test_summaries_of_earlier_and_later_versions_still_open(runs: list[Run]) -> None:
    runs[0].summary["statistics"] = {"kl": by_text(0.2, something_new=[1, 2]), "texts": 5}
    rows = {row.measure: row for row in glance.rows(BASE, CANDIDATE, runs)}
    assert rows["KL to the base"].candidate == glance.Estimate(0.2, 0.1, 0.3, texts=5)
    assert rows["HellaSwag, acc"].base.value == 0.3


def test_one_text_is_said_to_have_errors_over_tokens(runs: list[Run]) -> None:
    runs[0].summary["statistics"]["texts"] = 1
    table = glance.rows(BASE, CANDIDATE, runs)
    assert table[2].basis == "1,000 tokens of one text, taken as independent, with nothing in front"
    assert table[2].error_over(table[2].candidate) == "tokens"
    assert "one text" in str(glance.few_texts_note(table))


def test_without_a_hub_the_data_set_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UnreachableError, match=r"hellaswag_val\.jsonl"):
        run_steps(hub_items.fetch_items_steps())


class Terminal:
    """What a command printed and said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, object, str]:
        status = main(list(arguments))
        out, err = self._capsys.readouterr()
        return status, json.loads(out) if out else None, err


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    monkeypatch.setenv("LOGITSCOPE_DATA", str(tmp_path))
    return Terminal(capsys)


def test_a_run_from_the_command_line_is_listed_resumed_and_deleted(terminal: Terminal, tmp_path: Path) -> None:
    corpus = tmp_path / "texts.txt"
    corpus.write_text("A first text.\n\nA second one.")
    models = ("--base", "scratch-gpt2", "--base-precision", "float32", "--candidate", "scratch-gpt2")
    status, done, said = terminal("divergence", str(corpus), *models, "--candidate-precision", "float32")
    assert status == 0
    assert done["result"]["statistics"]["kl"]["value"] == 0.0
    assert done["id"] in said
    assert terminal("divergence", "--resume", done["id"])[1]["result"] == done["result"]
    assert [run["id"] for run in terminal("runs")[1]] == [done["id"]]
    assert terminal("runs", done["id"])[1]["versions"]["torch"]
    terminal("runs", done["id"], "--delete")
    assert terminal("runs")[1] == []


def test_refusals_end_with_status_2_and_one_line(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal("divergence")[0] == 2
    assert "No run is called" in terminal("hellaswag", "--resume", "nothing")[2]
    status, _, said = terminal("hellaswag", "/no/such/file")
    assert (status, "cannot be read" in said) == (2, True)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"only one text")))
    assert "MAUVE needs at least 100" in terminal("mauve", "-")[2]
