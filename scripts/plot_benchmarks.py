"""Figures 3, 4 and 5 of the paper from this run's scores, the paper's own values beside them, as SVG and PNG."""

import csv
from pathlib import Path

from job import logged
from metarewarding.records import read_json


def paper_values(path, place: str, metric: str) -> dict[str, float]:
    """{model: the paper's value} of one place and metric."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["place"] == place and row["metric"] == metric]
    return {row["model"]: float(row["value"]) for row in rows}


def by_method(models) -> dict[str, list[tuple[int, str]]]:
    """{method: [(iteration, model)]}; the seed and M0 stand before the first iteration of each."""
    methods: dict[str, list[tuple[int, str]]] = {}
    for model in models:
        if "/" in model:
            method, iteration = model.rsplit("/m", 1)
            methods.setdefault(method, []).append((int(iteration), model))
    shared = [(place, model) for place, model in ((-1, "seed"), (0, "m0")) if model in models]
    return {method: shared + sorted(own) for method, own in methods.items()} or {"m0": shared}


def figure_3(axes, scores: dict[str, dict], paper) -> None:
    """Length-controlled win rate by iteration; the win rate where a subset has no length control."""
    metric = "lc_win_rate" if all(score["lc_win_rate"] is not None for score in scores.values()) else "win_rate"
    # a subset's scores compare with nothing
    printed = paper_values(paper, "Table 1", metric) if metric == "lc_win_rate" else {}
    for number, (method, places) in enumerate(by_method(scores).items()):
        axes.errorbar(
            [place for place, _ in places],
            [scores[model][metric] for _, model in places],
            yerr=[scores[model][f"{metric}_se"] or 0 for _, model in places],
            marker="o",
            capsize=3,
            color=f"C{number}",
            label=f"{method} (this run, with its standard error)",
        )
        theirs = [(place, printed[model]) for place, model in places if model in printed]
        if theirs:
            axes.plot(*zip(*theirs, strict=True), "x--", color=f"C{number}", label=f"{method} (paper)")
    for name, value in paper_values(paper, "Figure 3", metric).items():
        axes.axhline(value, color="grey", linewidth=0.8, linestyle=":")
        axes.annotate(name, (-1, value), fontsize=8, color="grey", va="bottom")
    last = max(place for places in by_method(scores).values() for place, _ in places)
    axes.set_xticks(range(-1, last + 1), ["seed", *(f"M{t}" for t in range(last + 1))])
    name = "Length-controlled win rate" if metric == "lc_win_rate" else "Win rate (a subset)"
    axes.set(xlabel="Model", ylabel=f"{name}, % of AlpacaEval 2", title=judge_of(scores))


def figure_4(axes, scores: dict[str, dict], paper) -> None:
    """Win rate by category of AlpacaEval's questions."""
    names = sorted({name for score in scores.values() for name in score["categories"]})
    for number, (model, score) in enumerate(scores.items()):
        values = [score["categories"].get(name, {}).get("win_rate") for name in names]
        axes.plot(values, range(len(names)), "o", color=f"C{number}", label=model)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="Win rate, % (a tie is half)", ylabel="Category", title=judge_of(scores))


def figure_5(axes, scores: dict[str, dict], paper) -> None:
    """How often each model as judge gives each score to the seed's responses."""
    for number, (model, score) in enumerate(scores.items()):
        counts = {float(value): count for value, count in score["scores"].items()}
        total = sum(counts.values())
        if total:
            places = sorted(counts)
            shares = [100 * counts[place] / total for place in places]
            label = f"{model} (mean {score['mean_score']:.2f})"
            axes.plot(places, shares, "o-", color=f"C{number % 10}", label=label)
    axes.set(xlabel="Score given", ylabel="Share of judgments, %", title="Judgments of the seed's responses")


def judge_of(scores: dict[str, dict]) -> str:
    return "Judge: " + ", ".join(sorted({f"{score['judge']} ({score['judge_model']})" for score in scores.values()}))


FIGURES = {
    "figure_3": ("alpaca_eval", figure_3),
    "figure_4": ("alpaca_eval", figure_4),
    "figure_5": ("judge_vs_gpt4", figure_5),
}


@logged
def main(job):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "0"  # the same figure is the same file
    from matplotlib import pyplot

    for target in job.output:
        if not str(target).endswith(".svg"):
            continue
        benchmark, draw = FIGURES[Path(target).stem]
        scores = {model: read_json(path) for model, path in zip(job.params.models, job.input[benchmark], strict=True)}
        figure, axes = pyplot.subplots(figsize=(8, 5 if draw is not figure_4 else 8), layout="constrained")
        draw(axes, scores, job.input.paper)
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
        figure.savefig(target, metadata={"Date": None})
        figure.savefig(Path(target).with_suffix(".png"), dpi=200)
        pyplot.close(figure)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
