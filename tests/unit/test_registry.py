"""The registry of benchmarks: each entry is complete, and importing all of them imports no large package."""

import os
import re
import subprocess
import sys

import pytest

from metarewarding import benchmarks
from metarewarding.evaluation import registry
from metarewarding.judges.asking import Asking

ALL = registry.every()
HEAVY = {"torch", "transformers", "vllm", "pandas", "scipy", "numpy", "httpx", "alpaca_eval", "tiktoken"}


def test_every_module_with_an_entry_is_found_under_its_name():
    rows = ["held_out_preferences", "judgebench", "llmbar", "own_preferences", "pandalm", "reward_bench_2"]
    assert list(ALL) == sorted(["alpaca_eval", "arena_hard", "arena_laptop", "judge_vs_gpt4", "mt_bench", *rows])
    assert [name for name, known in ALL.items() if known.read_rows] == rows
    assert all(name == known.name for name, known in ALL.items())


@pytest.mark.parametrize("known", ALL.values(), ids=list(ALL))
def test_an_entry_has_what_its_kind_needs(known):
    assert all("default" in rule and rule["description"] for rule in known.settings.values())
    assert all(site in registry.MIRRORS for site, _, _ in known.sources.values())
    assert all(digest is None or re.fullmatch("[0-9a-f]{64}", digest) for _, _, digest in known.sources.values())
    assert set(known.judge_keys + known.score_keys) <= set(known.settings)
    if known.read_rows:
        assert known.licence
        assert known.kind == registry.PREFERENCE
    elif known.kind == registry.PREFERENCE:
        assert set(known.judged_files({})) == {"prompts", "responses"}
    else:
        assert known.questions in {**known.sources, **known.settings}
        own = {key: rule["default"] for key, rule in known.settings.items()}
        drawn = known.decoding(own, {"temperature": 1.0, "top_p": 0.9, "max_tokens": 5, "n": 7})
        assert set(drawn) == {"temperature", "top_p", "max_tokens"}
    if known.kind == registry.JUDGED_ANSWERS:
        assert "judge" in known.settings
        assert set(known.judge_reads.values()) <= set(known.sources)
        assert {"questions", "requests", "question", "answer", "context"} <= set(known.volume)
    metrics = {metric for _, metric, _, _ in known.claims}
    assert metrics <= set(known.labels)


def test_reading_all_entries_imports_nothing_heavy():
    code = "import sys\nfrom metarewarding.evaluation import registry\nregistry.every()\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert run.returncode == 0, run.stderr
    assert not HEAVY & set(run.stdout.split())


def test_a_subset_is_spread_evenly(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f'{{"prompt_id": "p{i}", "text": "?"}}\n' for i in range(10)))
    rows = registry.questions(ALL["arena_laptop"], path, 3)
    assert [row["prompt_id"] for row in rows] == ["p0", "p3", "p6"]
    assert len(registry.questions(ALL["arena_laptop"], path)) == 10


def test_the_public_names_are_where_they_were():
    assert benchmarks.__all__ == [
        "alpaca_eval_scores",
        "arena_hard_score",
        "mt_bench_score",
        "pairwise_scores",
        "preference_scores",
    ]


def test_the_facts_of_several_calls_are_added_up(monkeypatch):
    from metarewarding.judges import asking as module

    def ask(requests, judge, store):
        replies = {r["id"]: {"date": f"2024-0{r['id']}", "served_model": "m-1"} for r in requests}
        return replies, {"judge": "j", "asked": len(requests), "from_store": 1, "retries": 0, "seconds": 0.5, "cost": 2}

    monkeypatch.setattr(module, "ask", ask)
    asking = Asking({"name": "j"}, "store")
    asking([{"id": 3}, {"id": 1}])
    asking([{"id": 2}])
    facts = asking.facts()
    assert (facts["asked"], facts["from_store"], facts["seconds"]) == (3, 2, 1.0)
    assert facts["cost"] == 2  # of all that the store holds
    assert (facts["first_date"], facts["last_date"], facts["served_models"]) == ("2024-01", "2024-03", ["m-1"])
