"""The programs that write, filter and collect prompts, as the workflow calls them."""

import json
from types import SimpleNamespace

import pytest
from test_prompt_generation import FILTERS, TEMPLATE, Engine, asked, prompt, reply

from metarewarding.records import Candidate, Prompt, read_jsonl
from metarewarding.row_checks import iter_jsonl
from prompts import build_prompts, filter_prompts, generate_prompts


class Files(dict):
    """Named files, reached by name or position, as in a Snakemake job."""

    __getattr__ = dict.__getitem__

    def __getitem__(self, key):
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


def job(folder, inputs, outputs, params, **wildcards):
    return SimpleNamespace(
        input=Files(inputs),
        output=Files({name: str(folder / file) for name, file in outputs.items()}),
        params=SimpleNamespace(**params),
        wildcards=SimpleNamespace(**wildcards),
        resources={},
        rule="tested",
        log=[str(folder / "job.log")],
    )


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


class Writer(Engine):
    """Writes prompts that differ from one another, but for every fifth, which is always the same."""

    def __init__(self):
        super().__init__(self.write)

    def write(self, request):
        unlike_others = "Say " + " ".join(word + request.id.replace("-", "x") for word in "abc")
        words = "Say something of note." if request.id.endswith(("0", "5")) else unlike_others
        return f"Task 9: {words}\nTask 10: More."


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """Runs rounds of a pool as the workflow does; ``pool.engines`` are those that were started."""
    engines = []

    def start(weights, **settings):
        assert settings == {"name": "scripted", "gpus": 1, "store": None}
        engines.append(Writer())
        return engines[-1]

    monkeypatch.setattr(generate_prompts, "open_engine", start)
    demonstrations = write(tmp_path / "ift.jsonl", *(reply(f"i{k}", f"demonstration number {k}") for k in range(9)))
    template = tmp_path / "generate.txt"
    template.write_text(TEMPLATE + "\n")

    def run_round(root, number, before=(), of_pool=0, name="1", size=20, per_round=10, shards=1):
        """(files of candidates and their stats, the file of accepted prompts, its stats)."""
        folder = tmp_path / root / name / str(number)
        shared = {"demonstrations": demonstrations, "earlier": list(before)}
        files = []
        for i in range(shards):
            generate_prompts.main(
                job(
                    folder,
                    shared | {"weights": "weights", "template": str(template)},
                    {"candidates": f"c{i}.jsonl", "stats": f"c{i}.json"},
                    {
                        "seed": 0,
                        "engine": {"name": "scripted"},
                        "store": None,
                        "size": size,
                        "per_round": per_round,
                        "shards": shards,
                        "demonstrations": 6,
                        "generated_demonstrations": 2,
                        "temperature": 0.6,
                        "top_p": 0.9,
                        "max_tokens": 64,
                        "earlier_of_pool": of_pool,
                    },
                    pool=name,
                    round=str(number),
                    shard=str(i),
                )
            )
            files.append(str(folder / f"c{i}.jsonl"))
        filter_prompts.main(
            job(
                folder,
                shared | {"candidates": files},
                {"accepted": "accepted.jsonl", "stats": "stats.json"},
                FILTERS | {"size": size, "earlier_of_pool": of_pool},
                pool=name,
                round=str(number),
            )
        )
        return files, str(folder / "accepted.jsonl"), json.loads((folder / "stats.json").read_text())

    return SimpleNamespace(round=run_round, engines=engines, demonstrations=demonstrations, template=str(template))


def facts_of(candidates):
    with open(candidates.removesuffix("l")) as file:
        return json.load(file)


def test_a_round_is_written_and_filtered(pool):
    (candidates,), accepted, stats = pool.round("a", 1)
    rows = read_jsonl(candidates, Candidate)
    assert [row["prompt_id"] for row in rows] == [f"g1-1-{i}" for i in range(10)]
    assert rows[0]["text"] == "Say something of note."
    assert rows[0]["raw"] == "Task 9: Say something of note.\nTask 10: More."
    # the sixth repeats the first
    assert [row["prompt_id"] for row in iter_jsonl(accepted, Prompt)] == [f"g1-1-{i}" for i in range(10) if i != 5]
    assert stats == {
        "rule": "tested",
        "candidates": 10,
        "accepted": 9,
        "in_pool": 9,
        "size": 20,
        "outcome": {"accepted": 9, "too similar": 1},
    }
    facts = facts_of(candidates)
    assert (facts["requests"], facts["parse_rate"], facts["engine"]) == (10, 1.0, "scripted")
    assert facts["process_seconds"] >= 0


def test_a_round_shows_and_is_compared_with_the_rounds_before_it(pool):
    _, first, _ = pool.round("a", 1)
    _, second, stats = pool.round("a", 2, [first], 1)
    earlier = {row["text"] for row in iter_jsonl(first, Prompt)}
    for request in pool.engines[-1].asked:
        shown = asked(request).splitlines()
        assert sum(line.split(": ", 1)[1] in earlier for line in shown[1:-1]) == 2
        assert len(shown) == 10
    assert stats["outcome"] == {"accepted": 8, "too similar": 2}
    assert stats["in_pool"] == 17
    assert not earlier & {row["text"] for row in iter_jsonl(second, Prompt)}


def test_a_pool_that_is_full_starts_no_engine(pool):
    _, first, _ = pool.round("a", 1, size=7)
    assert len(read_jsonl(first, Prompt)) == 7
    assert len(pool.engines) == 1
    files, second, stats = pool.round("a", 2, [first], 1, size=7, shards=2)
    assert len(pool.engines) == 1
    assert [open(file).read() for file in (*files, second)] == ["", "", ""]
    del stats["rule"]
    assert stats == {"candidates": 0, "accepted": 0, "in_pool": 7, "size": 7, "outcome": {"accepted": 0}}
    counts = ("requests", "completions", "prompt_tokens", "cached_prompt_tokens", "output_tokens", "truncated")
    facts = facts_of(files[0])
    assert [facts[name] for name in (*counts, "too_long", "unparsed", "seconds")] == [0] * 9
    assert {"tokens_per_second", "process_seconds", "parse_rate"} <= set(facts)


def test_a_shard_without_candidates_starts_no_engine(pool):
    files, _, stats = pool.round("a", 1, per_round=2, shards=3)
    assert [len(read_jsonl(file, Candidate)) for file in files] == [0, 1, 1]
    assert len(pool.engines) == 2
    assert stats["candidates"] == 2


def test_another_pools_prompts_fill_no_pool_and_are_not_repeated(pool):
    _, first, _ = pool.round("a", 1, size=5)
    _, second, stats = pool.round("a", 1, [first], 0, name="2", size=5)
    assert stats["in_pool"] == stats["accepted"] == 5
    assert [row["prompt_id"] for row in iter_jsonl(second, Prompt)] == [f"g2-1-{i}" for i in (1, 2, 3, 4, 6)]
    _, third, stats = pool.round("a", 2, [first, second], 1, name="2", size=7)
    assert (stats["accepted"], stats["in_pool"]) == (2, 7)
    assert len(read_jsonl(third, Prompt)) == 2


@pytest.mark.parametrize("shards", [2, 3, 10])
def test_the_number_of_shards_changes_no_prompt(pool, shards):
    def two_rounds(root, shards):
        _, first, _ = pool.round(root, 1, shards=shards)
        _, second, _ = pool.round(root, 2, [first], 1, shards=shards)
        return [open(file, "rb").read() for file in (first, second)]

    assert two_rounds("a", 1) == two_rounds("b", shards)


def test_without_demonstrations_the_mend_is_said(pool, tmp_path, capsys):
    write(tmp_path / "ift.jsonl")
    with pytest.raises(SystemExit):
        pool.round("a", 1)
    assert "eft.ift_prompts" in capsys.readouterr().err
    assert not pool.engines


def build(tmp_path, size, *files):
    build_prompts.main(job(tmp_path, {"accepted": list(files)}, {"pool": "pool.jsonl"}, {"size": size}))
    return read_jsonl(tmp_path / "pool.jsonl", Prompt)


def test_the_pool_is_the_first_prompts_of_all_rounds(tmp_path, capsys):
    rounds = [
        write(tmp_path / f"{r}.jsonl", *(prompt(f"g1-{r}-{i}", f"text {r} {i}") for i in range(3))) for r in (1, 2)
    ]
    assert [row["prompt_id"] for row in build(tmp_path, 4, *rounds)] == ["g1-1-0", "g1-1-1", "g1-1-2", "g1-2-0"]
    assert len(build(tmp_path, 6, *rounds)) == 6
    (tmp_path / "pool.jsonl").unlink()
    with pytest.raises(SystemExit):
        build(tmp_path, 7, *rounds)
    said = capsys.readouterr().err
    for words in ("2 rounds gave 6 prompts", "needs 7", "Raise prompts.generation.rounds"):
        assert words in said
    assert not (tmp_path / "pool.jsonl").exists()
