"""Each script's `main` on toy files, with a job object like Snakemake's."""

import json

import pytest
from conftest import ROOT
from jobs import ENGINE, SAMPLING, job, judgment, read, response, verdict, write

from benchmarks import evaluate_model, judge_agreement, judge_answers, score_benchmark
from data import annotate_eft, build_eft, fetch_seed_model, split_rankings
from metarewarding.reporting.measured import measure
from preferences import build_actor_pairs, build_judge_pairs, check_pairs, fit_elo
from prompts import build_prompts, slice_prompts
from report import write_report
from sample import meta_judge, sample_and_judge

# -- data


def test_fetch_seed_model_links_a_local_folder(tmp_path, weights):
    params = {"model": {"source": "path", "path": str(weights)}, "key": "model"}
    built = job(tmp_path, {}, {"weights": "seed", "manifest": "manifest.json"}, params)
    fetch_seed_model.main(built)
    assert (tmp_path / "seed/config.json").is_file()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert len(manifest["weights_sha256"]["model.safetensors"]) == 64


@pytest.mark.parametrize(
    ("path", "key", "output"),
    [
        ("/nowhere", "model", "model.path: /nowhere is not a folder"),
        ("/nowhere", "eft.annotator", "eft.annotator: /nowhere is not a folder"),
        (str(ROOT / "config"), "model", "model: the model lacks config.json, safetensors weights, a tokenizer"),
        (str(ROOT / "config"), "eft.annotator", "eft.annotator: the model lacks config.json"),
    ],
)
def test_fetch_seed_model_says_what_a_folder_lacks(tmp_path, path, key, output, refused):
    params = {"model": {"source": "path", "path": path}, "key": key}
    assert output in refused(fetch_seed_model, job(tmp_path, {}, {"weights": "w", "manifest": "m"}, params))


def test_fetch_seed_model_refuses_a_model_without_a_chat_template(tmp_path, refused):
    fetch_seed_model.from_random(0, tmp_path / "bare")
    for file in (tmp_path / "bare").glob("chat_template*"):
        file.unlink()
    settings = tmp_path / "bare/tokenizer_config.json"
    settings.write_text(json.dumps({k: v for k, v in json.loads(settings.read_text()).items() if k != "chat_template"}))
    params = {"model": {"source": "path", "path": str(tmp_path / "bare")}, "key": "model"}
    output = refused(fetch_seed_model, job(tmp_path, {}, {"weights": "w", "manifest": "m"}, params))
    assert "no chat template" in output


def split_job(tmp_path, trees, **inputs):
    outputs = {name: f"{name}.jsonl" for name in ("ift", "candidates", "eval", "comparison")} | {"stats": "split.json"}
    params = {"ift_prompts": 6, "exclude_ift_prompts": False, "eval_prompts": 18, "comparison_prompts": 20, "seed": 0}
    return job(tmp_path, {"trees": trees} | inputs, outputs, params)


def eft_job(tmp_path, annotator, train_examples=72, **inputs):
    template = tmp_path / "judge.txt"
    template.write_text("{prompt} {response}\n")
    inputs |= {"template": template, "replies": tmp_path / "candidates.jsonl", "split_stats": tmp_path / "split.json"}
    params = {"annotator": annotator, "trees": "trees.jsonl", "judgments_per_reply": 1, "max_score": 5, "seed": 0}
    params |= {"acceptance": "strict", "train_examples": train_examples}
    return job(tmp_path, inputs, {"train": "train.jsonl", "stats": "stats.json"}, params)


def test_build_eft_on_the_laptops_trees(tmp_path):
    split_rankings.main(split_job(tmp_path, ROOT / "config/laptop/trees.jsonl"))
    build_eft.main(eft_job(tmp_path, "written"))
    facts = json.loads((tmp_path / "stats.json").read_text())
    assert facts["trees"] >= 48
    assert facts["eval_prompts"] == 18
    assert facts["train_prompts"] == facts["train_prompts_accepted"] == facts["trees"] - 20
    train, held_out, compared = (read(tmp_path / f"{name}.jsonl") for name in ("train", "eval", "comparison"))
    ids = [{row["prompt_id"] for row in rows} for rows in (train, held_out, compared)]
    assert len(train) == facts["train_examples"] == 72
    assert not ids[0] & ids[2]
    assert ids[1] < ids[2]
    assert len(ids[2]) == len(compared) == 20
    assert all(row["completion"][0]["content"].split("\n")[-1].startswith("Score: ") for row in train)


def test_too_few_accepted_judgments_stop_the_run(tmp_path, refused):
    split_rankings.main(split_job(tmp_path, ROOT / "config/laptop/trees.jsonl"))
    output = refused(build_eft, eft_job(tmp_path, "written", train_examples=1630))
    assert "EFT has 84 examples, and eft.train_examples asks for 1630" in output
    assert not (tmp_path / "train.jsonl").exists()


def test_held_out_prompts_are_those_of_a_list(tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("laptop-tree-07\n\nlaptop-tree-30\n")
    split_rankings.main(split_job(tmp_path, ROOT / "config/laptop/trees.jsonl", eval_ids=ids))
    assert list(dict.fromkeys(row["prompt_id"] for row in read(tmp_path / "eval.jsonl"))) == ids.read_text().split()


def test_build_eft_names_a_broken_tree_and_a_reply_without_a_judgment(tmp_path, refused):
    lines = (ROOT / "config/laptop/trees.jsonl").read_text().splitlines()
    broken = tmp_path / "broken.jsonl"
    broken.write_text("\n".join([lines[0], lines[1][:100]]))
    assert f"{broken}, line 2" in refused(split_rankings, split_job(tmp_path, broken))
    trees = [json.loads(line) for line in lines]
    for tree in trees:
        tree["prompt"]["replies"][0].pop("judgment")
    split_rankings.main(split_job(tmp_path, write(tmp_path / "bare.jsonl", *trees)))
    assert "has no judgment that ends with a score line" in refused(build_eft, eft_job(tmp_path, "written"))


def test_an_annotator_judges_every_reply_of_its_shard(tmp_path, weights):
    split_rankings.main(split_job(tmp_path, ROOT / "config/laptop/trees.jsonl"))
    template = tmp_path / "judge.txt"
    template.write_text("{prompt} {response}")
    inputs = {"replies": tmp_path / "candidates.jsonl", "weights": weights, "template": template}
    params = SAMPLING | {"n": 2, "max_score": 5, "seed": 0, "shards": 2, "store": None}
    params |= {"engine": ENGINE | {"max_model_len": 2048}}
    rows = []
    for shard in (0, 1):
        outputs = {"judgments": f"{shard}.jsonl", "stats": f"{shard}.json"}
        annotate_eft.main(job(tmp_path, inputs, outputs, params, shard=str(shard)))
        rows += read(tmp_path / f"{shard}.jsonl")
    replies = [row["response_id"] for row in read(tmp_path / "candidates.jsonl")]
    assert sorted(row["judgment_id"] for row in rows) == sorted(f"{reply}/j{j}" for reply in replies for j in (0, 1))


def test_an_annotator_that_does_not_know_the_form_gets_one_message(tmp_path, refused):
    split_rankings.main(split_job(tmp_path, ROOT / "config/laptop/trees.jsonl"))
    rows = [
        {
            "prompt_id": row["prompt_id"],
            "response_id": row["response_id"],
            "judgment_id": f"{row['response_id']}/j0",
            "text": "Well.",
            "score": None,
            "finish_reason": "stop",
        }
        for row in read(tmp_path / "candidates.jsonl")
    ]
    built = eft_job(tmp_path, "seed", judgments=[write(tmp_path / "judgments.jsonl", *rows)])
    assert "Of 28 prompts, 0 have readable judgments" in refused(build_eft, built)


def test_build_prompts_drops_repeats_and_refuses_a_repeated_id(tmp_path, refused):
    rows = [{"prompt_id": f"p{i}", "text": text} for i, text in enumerate(["a", "b", "a "])]
    inputs = {"prompts": write(tmp_path / "in.jsonl", *rows), "earlier": []}
    build_prompts.main(job(tmp_path, inputs, {"pool": "pool.jsonl"}))
    assert [row["prompt_id"] for row in read(tmp_path / "pool.jsonl")] == ["p0", "p1"]
    rows[1]["prompt_id"] = "p0"
    write(tmp_path / "in.jsonl", *rows)
    built = job(tmp_path, inputs, {"pool": "pool.jsonl"})
    assert "'p0' occurs twice" in refused(build_prompts, built)


def test_a_later_file_of_prompts_adds_no_prompt_that_was_there(tmp_path):
    first = write(tmp_path / "1.jsonl", {"prompt_id": "p0", "text": "a"})
    rows = [{"prompt_id": f"q{i}", "text": text} for i, text in enumerate(["b", " a"])]
    inputs = {"prompts": write(tmp_path / "in.jsonl", *rows), "earlier": [first]}
    build_prompts.main(job(tmp_path, inputs, {"pool": "2.jsonl"}))
    assert [row["prompt_id"] for row in read(tmp_path / "2.jsonl")] == ["q0"]


def test_slice_prompts_cuts_disjoint_slices_and_refuses_one_too_many(tmp_path, refused):
    rows = [{"prompt_id": f"p{i}", "text": str(i)} for i in range(7)]
    pool = write(tmp_path / "pool.jsonl", *rows)
    slices = []
    for t in (1, 2):
        slice_prompts.main(
            job(tmp_path, {"pool": pool}, {"out": f"{t}.jsonl"}, {"slice": t, "per_iteration": 3, "seed": 0})
        )
        slices.append({row["prompt_id"] for row in read(tmp_path / f"{t}.jsonl")})
    assert len(slices[0]) == len(slices[1]) == 3
    assert not slices[0] & slices[1]
    built = job(tmp_path, {"pool": pool}, {"out": "3.jsonl"}, {"slice": 3, "per_iteration": 3, "seed": 0})
    assert "the pool has 7" in refused(slice_prompts, built)


# -- sampling


def test_sampling_scripts_hand_their_files_on(tmp_path, prompts, weights, capsys):
    template = tmp_path / "judge.txt"
    template.write_text("{prompt} {response}")
    inputs = {"prompts": prompts, "weights": weights, "template": template}
    outputs = {"responses": "r.jsonl", "responses_stats": "r.json", "judgments": "j.jsonl", "judgments_stats": "j.json"}
    params = {"responses": SAMPLING | {"n": 2}, "judgments": SAMPLING | {"n": 3, "max_score": 5}, "seed": 0}
    params |= {"system_prompt": None, "shards": 2, "engine": ENGINE, "store": str(tmp_path / "store.jsonl")}
    sample_and_judge.main(job(tmp_path, inputs, outputs, params, shard="1"))
    rows, judged = read(tmp_path / "r.jsonl"), read(tmp_path / "j.jsonl")
    assert [row["response_id"] for row in rows] == ["p1/r0", "p1/r1"]  # the second shard: the second prompt
    assert [row["judgment_id"] for row in judged] == [f"p1/r{k}/j{n}" for k in (0, 1) for n in (0, 1, 2)]
    facts = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in "rj"}
    assert (facts["r"]["requests"], facts["j"]["requests"], facts["j"]["parse_rate"]) == (1, 2, 0)
    assert {(of["rule"], of["log"], of["from_store"]) for of in facts.values()} == {
        ("tested", str(tmp_path / "job.log"), 0)
    }
    assert "1 requests, 0 of 2 completions from the store" in capsys.readouterr().err
    assert len(read(tmp_path / "store.jsonl")) == 2 + 6

    scored = write(tmp_path / "s.jsonl", *(judgment(0, j, score, prompt="p1") for j, score in enumerate([1, 3, 5])))
    template.write_text("{prompt} {response} {judgment_a} {judgment_b}")
    inputs |= {"responses": tmp_path / "r.jsonl", "judgments": scored}
    params = SAMPLING | {"seed": 0, "engine": ENGINE, "strip_scores": True, "orders": "both", "store": None}
    outputs = {"meta_judgments": "m.jsonl", "repeats": "again.jsonl", "stats": "m.json"}
    meta_judge.main(job(tmp_path, inputs, outputs, params | {"repeats": 0.5}))
    assert len(read(tmp_path / "again.jsonl")) == 4  # both orders of two of the three pairs
    assert {(row["first"][-1], row["second"][-1]) for row in read(tmp_path / "m.jsonl")} == {
        (a, b) for a in "012" for b in "012" if a != b
    }


def test_a_repeated_response_is_not_judged_again(tmp_path, prompts, weights):
    template = tmp_path / "judge.txt"
    template.write_text("{prompt} {response}")
    inputs = {"prompts": prompts, "weights": weights, "template": template}
    outputs = {"responses": "r.jsonl", "responses_stats": "r.json", "judgments": "j.jsonl", "judgments_stats": "j.json"}
    greedy = SAMPLING | {"temperature": 0, "n": 3}  # three times the same text
    params = {"responses": greedy, "judgments": SAMPLING | {"n": 2, "max_score": 5}, "seed": 0, "store": None}
    params |= {"system_prompt": None, "shards": 1, "engine": ENGINE}
    sample_and_judge.main(job(tmp_path, inputs, outputs, params, shard="0"))
    assert len(read(tmp_path / "r.jsonl")) == 6
    assert {row["response_id"] for row in read(tmp_path / "j.jsonl")} == {"p0/r0", "p1/r0"}


def test_one_job_evaluates_a_model(tmp_path, prompts, weights):
    """The arena's answers, the judgments of people's replies and those of table 3's responses."""
    template = tmp_path / "judge.txt"
    template.write_text("{prompt} {response}")
    replies = [
        {"prompt_id": "t", "response_id": f"t-{rank}", "prompt": "What?", "text": f"So {rank}.", "rank": rank}
        for rank in (0, 1)
    ]
    responses = [response(0, "Hi.", "p1"), response(1, "Hi.", "p1"), response(2, "Go.", "p1")]
    inputs = {"replies": write(tmp_path / "e.jsonl", *replies), "weights": weights, "template": template}
    inputs |= {"arena_laptop": prompts, "judge_vs_gpt4_prompts": prompts}
    inputs["judge_vs_gpt4_responses"] = write(tmp_path / "held_out.jsonl", *responses)
    own = {"item_id": "o", "prompt_id": "o", "subset": "", "prompt": "What?", "best": ["o/r1"]}
    own["responses"] = [{"response_id": f"o/r{k}", "text": f"So {k}."} for k in (0, 1)]
    (tmp_path / "pairwise.txt").write_text("{prompt} {response_a} {response_b}")
    inputs |= {"own_preferences": write(tmp_path / "own.jsonl", own), "pairwise_template": tmp_path / "pairwise.txt"}
    names = {"arena_laptop": "a", "judgments": "j", "judge_vs_gpt4": "h"}
    names |= {"own_preferences": "p", "own_preferences_pairwise": "v"}
    outputs = {name: f"{file}.jsonl" for name, file in names.items()}
    outputs |= {f"{name}_stats": f"{file}.json" for name, file in names.items()}
    params = {"benchmarks": {"arena_laptop": SAMPLING | {"subset": None, "turns": 1}}, "judged": ["judge_vs_gpt4"]}
    params |= {"system_prompt": None, "seed": 0}
    params |= {"preferences": {"own_preferences": {"judgments": 2, "pairwise": True, "max_tokens": 5}}}
    params |= {"judgments": SAMPLING | {"n": 3, "max_score": 5}, "judgments_of_replies": 2}
    params |= {"engine": ENGINE, "store": str(tmp_path / "store.jsonl")}
    evaluate_model.main(job(tmp_path, inputs, outputs, params))
    assert [row["response_id"] for row in read(tmp_path / "a.jsonl")] == ["p0/r0", "p1/r0"]
    assert [row["response_id"] for row in read(tmp_path / "j.jsonl")] == ["t-0", "t-0", "t-1", "t-1"]
    assert [row["response_id"] for row in read(tmp_path / "h.jsonl")] == ["p1/r0"] * 3 + ["p1/r2"] * 3
    assert [row["response_id"] for row in read(tmp_path / "p.jsonl")] == ["o/r0", "o/r0", "o/r1", "o/r1"]
    assert [(row["first"], row["second"]) for row in read(tmp_path / "v.jsonl")] == [("o/r0", "o/r1"), ("o/r1", "o/r0")]
    assert [json.loads((tmp_path / f"{file}.json").read_text())["completions"] for file in "ajhpv"] == [2, 4, 6, 4, 2]

    inputs = {"prompts": prompts, "answers": tmp_path / "a.jsonl", "weights": weights, "template": template}
    params = {"judgments": SAMPLING | {"n": 2, "max_score": 5}, "seed": 0, "engine": ENGINE, "store": None}
    judge_answers.main(job(tmp_path, inputs, {"verdicts": "v.jsonl", "stats": "v.json"}, params))
    assert len(read(tmp_path / "v.jsonl")) == 4


# -- preferences: four judgments of p0/r0; j0 beats j1 in both orders, the first shown wins between j2 and j3


JUDGMENTS = [judgment(0, j, score) for j, score in enumerate([5, 1, 3, 4])]
VERDICTS = [verdict(0, 1, "first"), verdict(1, 0, "second"), verdict(2, 3, "first"), verdict(3, 2, "first")]


def test_fit_elo_and_build_judge_pairs(tmp_path, prompts):
    half = {"judgments": [write(tmp_path / "j.jsonl", *JUDGMENTS)]}
    verdicts = [write(tmp_path / "m0.jsonl", *VERDICTS[:1]), write(tmp_path / "m1.jsonl", *VERDICTS[:0:-1])]
    built = job(
        tmp_path,
        half | {"meta_judgments": verdicts},
        {"elo": "elo.jsonl", "stats": "elo.json"},
        {"position_weights": "iteration", "elo_l2": 0.01},
    )
    fit_elo.main(built)
    facts = json.loads((tmp_path / "elo.json").read_text())
    # three wins in the first slot, one in the second
    assert (facts["omega1"], facts["omega2"]) == (0.25, 0.75)
    elo = {row["judgment_id"][-2:]: row["elo"] for row in read(tmp_path / "elo.jsonl")}
    assert elo["j2"] == pytest.approx(elo["j3"])
    assert elo["j0"] > elo["j2"] > elo["j1"]

    template = tmp_path / "judge.txt"
    template.write_text("{prompt} | {response}")
    inputs = half | {"prompts": prompts, "responses": [write(tmp_path / "r.jsonl", response(0, "Hi."))]}
    inputs |= {"elo": tmp_path / "elo.jsonl", "template": template}
    outputs = {"pairs": "pairs.jsonl", "stats": "pairs.json"}
    build_judge_pairs.main(job(tmp_path, inputs, outputs, {"max_judgment_chars": 100, "seed": 0}))
    (pair,) = read(tmp_path / "pairs.jsonl")
    assert (pair["chosen_id"], pair["rejected_id"]) == ("p0/r0/j0", "p0/r0/j1")
    assert pair["prompt"] == [{"role": "user", "content": "Say hi. | Hi."}]
    outcome = json.loads((tmp_path / "pairs.json").read_text())["outcome"]
    assert outcome == {"pair": 1, "no response with two differing scores and texts": 1}
    build_judge_pairs.main(job(tmp_path, inputs, outputs, {"max_judgment_chars": 10, "seed": 0}))
    assert json.loads((tmp_path / "pairs.json").read_text())["outcome"]["chosen too long"] == 1


def actor(tmp_path, prompts, **changes):
    responses = [response(0, "long and good"), response(1, "good"), response(2, "bad"), response(3, "bad")]
    judgments = [judgment(0, 0, 4), judgment(0, 1, None), judgment(1, 0, 4), judgment(2, 0, 1), judgment(2, 1, 2)]
    params = {"rho": 0.0, "max_chosen_chars": None, "allow_truncated_chosen": False, "k": None, "n": None}
    params["consistent_halves"] = False
    built = job(
        tmp_path,
        {
            "prompts": prompts,
            "responses": [write(tmp_path / "r.jsonl", *responses)],
            "judgments": [write(tmp_path / "j.jsonl", *judgments)],
        },
        {"scores": "scores.jsonl", "pairs": "pairs.jsonl", "stats": "stats.json"},
        params | {"system_prompt": None} | changes,
    )
    build_actor_pairs.main(built)
    return read(tmp_path / "pairs.jsonl"), json.loads((tmp_path / "stats.json").read_text())


def test_build_actor_pairs(tmp_path, prompts):
    (pair,), facts = actor(tmp_path, prompts)
    # r0 and r1 tie at 4, and the shorter is chosen; r3 repeats r2 and is dropped; r2's mean is 1.5
    assert (pair["chosen_id"], pair["rejected_id"]) == ("p0/r1", "p0/r2")
    assert (pair["chosen_by"], pair["rejected_by"]) == (4, 1.5)
    assert facts["distinct_responses"] == 3
    assert facts["outcome"] == {"pair": 1, "fewer than two scored responses": 1}
    assert {row["response_id"]: row["judgments"] for row in read(tmp_path / "scores.jsonl")} == {
        "p0/r0": 1,
        "p0/r1": 1,
        "p0/r2": 2,
    }


def test_build_actor_pairs_filters_and_first_k_and_n(tmp_path, prompts):
    assert actor(tmp_path, prompts, max_chosen_chars=3)[1]["outcome"]["chosen too long"] == 1
    assert actor(tmp_path, prompts, k=2)[1]["outcome"]["all scores equal"] == 1
    (pair,), _ = actor(tmp_path, prompts, n=1)
    assert pair["rejected_by"] == 1  # only the first judgment counts


def test_check_pairs_passes_or_names_every_fault(tmp_path, refused):
    def stats(name, value):
        (tmp_path / name).write_text(json.dumps(value))
        return tmp_path / name

    outcome = {"pair": 3, "all scores equal": 7}
    inputs = {
        "actor_pairs": stats(
            "a.json",
            {"prompts": 10, "pairs": 3, "outcome": outcome, "truncated_responses": 5, "distinct_responses": 10},
        ),
        "judgments": [
            stats("j0.json", {"completions": 10, "unparsed": 9}),
            stats("j1.json", {"completions": 10, "unparsed": 1}),
        ],
    }
    gates = {
        "min_parse_rate": 0.5,
        "min_meta_parse_rate": 0.5,
        "max_truncated": 0.5,
        "min_actor_pairs": 3,
        "min_judge_pairs": 9,
    }
    check_pairs.main(job(tmp_path, inputs, {"out": "stats.json"}, {"gates": gates}))
    assert json.loads((tmp_path / "stats.json").read_text())["judgments"]["parse_rate"] == 0.5
    gates |= {"min_parse_rate": 0.6, "max_truncated": 0.4, "min_actor_pairs": 4}
    output = refused(check_pairs, job(tmp_path, inputs, {"out": "no.json"}, {"gates": gates}))
    for words in ("gates.min_parse_rate", "gates.max_truncated", "gates.min_actor_pairs", "all scores equal: 7"):
        assert words in output
    assert not (tmp_path / "no.json").exists()


# -- benchmarks


def test_score_arena(tmp_path):
    answers = write(tmp_path / "a.jsonl", *(response(0, "x" * 10, prompt=f"p{i}") for i in range(4)))
    model = write(tmp_path / "v.jsonl", *(judgment(0, 0, s, prompt=f"p{i}") for i, s in enumerate([5, 3, 1, None])))
    seed = write(tmp_path / "b.jsonl", *(judgment(0, 0, s, prompt=f"p{i}") for i, s in enumerate([4, 3, 2, 2])))
    inputs = {"answers": answers, "verdicts": model, "baseline": seed}
    params = {"settings": {"bootstrap_rounds": 200}, "seed": 0}
    score_benchmark.main(job(tmp_path, inputs, {"out": "score.json"}, params, model="m0", benchmark="arena_laptop"))
    score = json.loads((tmp_path / "score.json").read_text())
    # a win, a tie and a loss; the fourth answer has no readable score
    assert (score["win_rate"], score["n"], score["prompts"]) == (50, 3, 4)
    assert (score["wins"], score["ties"], score["losses"]) == (1, 1, 1)
    assert score["ci_low"] <= 50 <= score["ci_high"]
    assert score["mean_length"] == 10


def test_judge_agreement(tmp_path):
    replies = [
        {"prompt_id": "p0", "response_id": f"p0/r{rank}", "prompt": "?", "text": "!", "rank": rank} for rank in range(3)
    ]
    rows = [judgment(0, 0, 5), judgment(1, 0, 2), judgment(1, 1, 4), judgment(2, 0, 4), judgment(2, 1, None)]
    inputs = {"replies": write(tmp_path / "e.jsonl", *replies), "judgments": write(tmp_path / "j.jsonl", *rows)}
    judge_agreement.main(job(tmp_path, inputs, {"out": "score.json"}, model="m0"))
    score = json.loads((tmp_path / "score.json").read_text())
    # means 5, 3, 4 for ranks 0, 1, 2: two pairs of three right
    assert score["agreement"] == pytest.approx(2 / 3)
    assert score["spearman"] == pytest.approx(0.5)
    assert score["parse_rate"] == 0.8


def test_write_report_shows_what_is_there_and_escapes_it(tmp_path):
    root = tmp_path / "results"

    def put(path, value):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
        return file

    agreement = {
        "agreement": 0.5,
        "agreement_without_ties": None,
        "spearman": None,
        "parse_rate": 0.25,
        "mean_score": 2,
    }
    stats = {
        "rule": "evaluate_model",
        "log": "a.log",
        "requests": 1,
        "completions": 2,
        "unparsed": 1,
        "prompt_tokens": 3,
        "cached_prompt_tokens": 0,
    }
    stats |= {"output_tokens": 4, "seconds": 1, "process_seconds": 2}
    of_stage = "seed/benchmarks/judge_agreement/judgments.stats.json"
    put(of_stage, stats)
    planned = {
        "card": "H100",
        "totals": {},
        "arithmetic": [],
        "rows": [{"stage": "evaluate_model", "files": [of_stage]}],
    }
    inputs = {
        "plan": [put("report/plan.json", measure(planned, root))],
        "eft": put("data/eft/stats.json", {"eval_prompts": 1, "eval_replies": 2}),
        "manifests": [put("seed/manifest.json", {"model": "seed", "seconds": 3})],
        "agreement": [put("seed/benchmarks/judge_agreement/score.json", agreement)],
        "scores": [
            put(
                "seed/benchmarks/mt_bench/score.json",
                {"judge": "<b>stand-in</b>", "judge_model": "J", "average": 8.5, "n": 4, "complete": True},
            ),
            put(
                "seed/benchmarks/arena_hard/score.json",
                {"judge": "other", "judge_model": "J", "score": 20.0, "n": 4, "complete": False, "cost": 1.25},
            ),
        ],
        "paper": ROOT / "workflow/report/paper.csv",
        "rules": ROOT / "workflow/report/rules.csv",
        "template": ROOT / "workflow/report/page.html.jinja",
    } | {kind: [] for kind in ("training", "pairs", "elo", "arena", "bias", "summaries", "examples")}
    params = {"root": str(root), "models": ["seed"], "parents": {}, "per_iteration": 8}
    params |= {"model": {"source": "path", "path": "<script>alert(1)</script>"}, "differs": [["seed", "0", "<i>1"]]}
    params |= {
        "seed": 0,
        "configfiles": ["config/smoke.yaml"],
        "same_benchmark": None,
        "progress": None,
        "max_score": 5,
    }
    outputs = {"page": "p.html", "scoreboard": "s.txt", "metrics": "m.json", "tables": "tables", "figures": "figures"}
    write_report.main(job(tmp_path, inputs, outputs, params))
    page = (tmp_path / "p.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "1 setting differs" in page
    assert "&lt;i&gt;1" in page
    assert "25 %" in (tmp_path / "s.txt").read_text()
    assert "<b>stand-in" not in page
    assert "not comparable with other scores" in page
    beside = json.loads((tmp_path / "m.json").read_text())["beside_the_paper"]
    average = next(row for row in beside if row["metric"] == "average")
    assert (average["paper"], average["ours"], average["judge"]) == (8.116, 8.5, "<b>stand-in</b>")
    assert {row["ours"] for row in beside if row["benchmark"] == "arena_hard"} == {None}  # a subset
    assert "cost 1.25 US dollars" in page
    agreement = next(row for row in beside if row["metric"] == "agreement")
    assert (agreement["place"], agreement["paper"], agreement["ours"]) == ("Table 7", 62.81, 50)
