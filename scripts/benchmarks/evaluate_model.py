"""Sample everything that a model's evaluation needs, in one job, so that the engine starts once.

It answers the questions of every configured benchmark, judges people's ranked replies to the held-out prompts
(table 7) and, for benchmarks of the kind "preference", given responses, one by one and in pairs. The chat of a second
turn contains the answer to the first.
"""

from metarewarding import judging, templates
from metarewarding.engines import sampling
from metarewarding.engines.engine import open_engine
from metarewarding.engines.facts import engine_facts
from metarewarding.errors import UserError
from metarewarding.evaluation import preference_judging, registry
from metarewarding.evaluation.preference_rows import read_items, responses_of
from metarewarding.jobs.job import logged
from metarewarding.records import Prompt, RankedReply, Response, Turn, read_jsonl, write_json, write_jsonl


def answer(engine, questions, decoding, seed, system_prompt) -> tuple[list[Turn], list[dict]]:
    """Return (a row for each turn of each question, the facts of each turn's sampling).

    ``decoding(category)`` returns the Decoding of an answer. A chat that does not fit the model's context gets an
    empty answer, so that every question has one.
    """
    chats = {question["prompt_id"]: sampling.chat("", system_prompt)[:-1] for question in questions}
    rows, facts = [], []
    for turn in range(1, max((len(question["turns"]) for question in questions), default=1) + 1):
        open_questions = [question for question in questions if len(question["turns"]) >= turn]
        for question in open_questions:
            chats[question["prompt_id"]].append({"role": "user", "content": question["turns"][turn - 1]})
        requests = [
            sampling.Request(
                f"{question['prompt_id']}/t{turn}",
                list(chats[question["prompt_id"]]),
                1,
                sampling.identity_seed(seed, "benchmark answer", f"{question['prompt_id']}/t{turn}"),
                decoding(question["category"]),
            )
            for question in open_questions
        ]
        completions, of_turn = sampling.sample(engine, requests)
        facts.append(of_turn)
        for question, request in zip(open_questions, requests, strict=True):
            done = (completions[request.id] or [sampling.Completion("", 0, "length")])[0]
            chats[question["prompt_id"]].append({"role": "assistant", "content": done.text})
            rows.append(
                Turn(
                    prompt_id=question["prompt_id"],
                    turn=turn,
                    text=done.text,
                    tokens=done.tokens,
                    finish_reason=done.finish_reason,
                )
            )
    return rows, facts


def first_turns(rows) -> list[Response]:
    """Return the rows of a benchmark of one turn as responses."""
    return [
        Response(
            prompt_id=row["prompt_id"],
            response_id=f"{row['prompt_id']}/r0",
            text=row["text"],
            tokens=row["tokens"],
            finish_reason=row["finish_reason"],
        )
        for row in rows
    ]


def decoding_of(own: dict, questions, source: str):
    """Return a function that gives the decoding for a category; MT-Bench's temperature depends on it."""
    temperatures = own["temperature"]
    if isinstance(temperatures, dict):
        for question in questions:
            if question["category"] not in temperatures:
                raise UserError(
                    f"{source}: the question '{question['prompt_id']}' is of the category "
                    f"'{question['category']}'; known are {', '.join(temperatures)}."
                )

    def decoding(category):
        temperature = temperatures[category] if isinstance(temperatures, dict) else temperatures
        return sampling.Decoding(temperature, own["top_p"], own["max_tokens"])

    return decoding


@logged
def main(job):
    p, given, out = job.params, job.input, job.output
    template = templates.load(given.template, "judge")
    # everything is read before the engine starts
    replies = read_jsonl(given.replies, RankedReply)
    questions_of = {}
    for name, own in p.benchmarks.items():
        questions = registry.questions(registry.get(name), given[name], own["subset"])
        questions_of[name] = questions, decoding_of(own, questions, given[name])
    given_responses = {
        name: (read_jsonl(given[f"{name}_prompts"], Prompt), read_jsonl(given[f"{name}_responses"], Response))
        for name in p.judged
    }
    preferences = {name: read_items(given[name]) for name in p.preferences}
    pairwise = templates.load(given.pairwise_template, "pairwise") if "pairwise_template" in given.keys() else None
    engine = open_engine(given.weights, gpus=job.resources.get("gpu", 1), store=p.store, **p.engine)

    for name, (questions, decoding) in questions_of.items():
        rows, turns = answer(engine, questions, decoding, p.seed, p.system_prompt)
        write_jsonl(out[name], rows if p.benchmarks[name]["turns"] > 1 else first_turns(rows))
        write_json(out[f"{name}_stats"], engine_facts(engine, sampling.add_facts(turns), job))

    def judge(texts, responses, n, name):
        _, decoding = sampling.n_and_decoding(p.judgments)
        rows, facts = judging.judge(engine, texts, responses, template, n, decoding, p.seed, p.judgments["max_score"])
        write_jsonl(out[name], rows)
        write_json(out[f"{name}_stats"], engine_facts(engine, facts, job))

    judge({row["prompt_id"]: row["prompt"] for row in replies}, replies, p.judgments_of_replies, "judgments")
    for name, (prompts, responses) in given_responses.items():
        texts = {row["prompt_id"]: row["text"] for row in prompts}
        judge(texts, sampling.distinct(responses), p.judgments["n"], name)
    for name, items in preferences.items():
        own = p.preferences[name]
        judge({row["prompt_id"]: row["prompt"] for row in items}, responses_of(items), own["judgments"], name)
        if own["pairwise"]:
            rows, facts = preference_judging.judge_pairs(engine, items, pairwise, own["max_tokens"], p.seed)
            write_jsonl(out[f"{name}_pairwise"], rows)
            write_json(out[f"{name}_pairwise_stats"], engine_facts(engine, facts, job))


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
