"""The programs that write, filter and collect prompts, as the workflow calls them."""

import json

import pytest
from jobs import job, write
from test_prompt_generation import FILTERS, TEMPLATE, Engine, prompt, reply, text_of_request

from metarewarding.records import Candidate, Prompt, read_jsonl
from metarewarding.row_checks import iter_jsonl
from prompts import build_prompts, generate_prompts


class Writer(Engine):
    """Writes prompts that differ from each other, except every fifth one, which is always the same."""

    def __init__(self):
        super().__init__(self.write)

    def write(self, request):
        unlike_others = "Say " + " ".join(word + request.id.replace("-", "x") for word in "abc")
        words = "Say something of note." if request.id.endswith(("0", "5")) else unlike_others
        return f"Task 9: {words}\nTask 10: More."


@pytest.fixture
def generate(tmp_path, monkeypatch):
    """Return a function that writes a pool as the workflow does; ``generate.engines`` are the engines it opened."""
    engines = []

    def start(weights, **settings):
        assert settings == {"name": "scripted", "gpus": 1, "store": None}
        engines.append(Writer())
        return engines[-1]

    monkeypatch.setattr(generate_prompts, "open_engine", start)
    demonstrations = write(tmp_path / "ift.jsonl", *(reply(f"i{k}", f"demonstration number {k}") for k in range(9)))
    template = tmp_path / "generate.txt"
    template.write_text(TEMPLATE + "\n")
    files = {"candidates": "candidates.jsonl", "accepted": "accepted.jsonl", "stats": "stats.json"}
    settings = {
        "seed": 0,
        "engine": {"name": "scripted"},
        "store": None,
        "rounds": 4,
        "size": 20,
        "per_round": 10,
        "demonstrations": 6,
        "generated_demonstrations": 2,
        "temperature": 0.6,
        "top_p": 0.9,
        "max_tokens": 64,
    } | FILTERS

    def run(name="1", earlier=(), **changes):
        """Return (candidates, accepted prompts, stats) of the pool ``name``."""
        folder = tmp_path / "generated" / name
        inputs = {"demonstrations": demonstrations, "earlier": list(earlier), "weights": "weights"}
        inputs["template"] = str(template)
        generate_prompts.main(job(folder, inputs, files, settings | changes, pool=name))
        stats = json.loads((folder / "stats.json").read_text())
        return (
            read_jsonl(folder / "candidates.jsonl", Candidate),
            list(iter_jsonl(folder / "accepted.jsonl", Prompt)),
            stats,
        )

    run.engines, run.demonstrations, run.folder = engines, demonstrations, tmp_path / "generated"
    return run


def test_a_pool_is_written_and_filtered_until_it_is_full(generate):
    candidates, accepted, stats = generate()
    assert [row["prompt_id"] for row in candidates] == [f"g1-{r}-{i}" for r in (1, 2, 3) for i in range(10)]
    assert candidates[0]["text"] == "Say something of note."
    assert candidates[0]["raw"] == "Task 9: Say something of note.\nTask 10: More."
    # each fifth is like the very first
    kept = [row["prompt_id"] for row in candidates if row["prompt_id"][-1] not in "05"]
    assert [row["prompt_id"] for row in accepted] == ["g1-1-0", *kept[:19]]
    assert stats["outcome"] == {"accepted": 20, "pool full": 6, "too similar": 4}
    assert (stats["rounds"], stats["requests"], stats["parse_rate"], stats["engine"]) == (3, 30, 1.0, "scripted")
    assert stats["process_seconds"] >= 0
    assert len(generate.engines) == 1


def test_a_round_shows_prompts_of_the_rounds_before_it(generate):
    _, accepted, _ = generate()
    earlier = {row["text"] for row in accepted if row["prompt_id"].startswith("g1-1-")}
    requests = [request for request in generate.engines[0].received if request.id.startswith("g1-2-")]
    assert len(requests) == 10
    for request in requests:
        shown = text_of_request(request).splitlines()
        assert sum(line.split(": ", 1)[1] in earlier for line in shown[1:-1]) == 2
        assert len(shown) == 10


def test_a_full_pool_asks_for_no_further_round(generate):
    _, accepted, stats = generate(size=7)
    assert (len(accepted), stats["rounds"], len(generate.engines[0].received)) == (7, 1, 10)


def test_the_number_of_rounds_changes_no_prompt_of_a_full_pool(generate):
    few = generate(rounds=3)
    assert generate(rounds=9)[:2] == few[:2]


def test_prompts_of_earlier_pools_fill_no_pool_and_are_not_repeated(generate):
    generate(size=5)
    _, second, stats = generate("2", [generate.folder / "1/accepted.jsonl"], size=5)
    assert [row["prompt_id"] for row in second] == [f"g2-1-{i}" for i in (1, 2, 3, 4, 6)]
    assert stats["rounds"] == 1


def test_missing_demonstrations_are_reported_with_the_fix(generate, tmp_path, capsys):
    write(tmp_path / "ift.jsonl")
    with pytest.raises(SystemExit):
        generate()
    assert "eft.ift_prompts" in capsys.readouterr().err
    assert not generate.engines


def test_too_few_prompts_are_refused_and_nothing_is_written(generate, capsys):
    with pytest.raises(SystemExit):
        generate(rounds=2)
    output = capsys.readouterr().err
    for words in ("2 rounds gave 17 prompts", "needs 20", "Raise prompts.generation.rounds"):
        assert words in output
    assert not list(generate.folder.rglob("*.jsonl"))


def test_a_pool_is_what_was_written_for_it(tmp_path):
    written = write(tmp_path / "accepted.jsonl", *(prompt(f"g1-1-{i}", f"text {i}") for i in range(3)))
    build_prompts.main(job(tmp_path, {"prompts": written, "earlier": []}, {"pool": "pool.jsonl"}, {}))
    assert read_jsonl(tmp_path / "pool.jsonl", Prompt) == read_jsonl(written, Prompt)
