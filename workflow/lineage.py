"""The chain of models that the methods describe, from any model back to the seed, and the prompts of each iteration."""


def iterations(settings: dict, method: str) -> list[dict]:
    """Return the settings of each DPO round: its own keys, else the method's, else those of `pairs` and `dpo`."""
    of_method = settings["methods"][method]
    shared = {key: value for key, value in of_method.items() if key not in ("iterations", "starts_from")}
    return [settings["pairs"] | settings["dpo"] | shared | own for own in of_method["iterations"]]


def parent(settings: dict, method: str, iteration: int) -> str:
    """Return the model, `m0` or `<method>/m<t>`, that ``iteration`` (from 1) of ``method`` starts from and samples."""
    if iteration == 1:
        return settings["methods"][method]["starts_from"]
    return f"{method}/m{iteration - 1}"


def split_model(model: str) -> tuple[str, int]:
    """Return ("meta-rewarding", 2) of `meta-rewarding/m2`."""
    method, _, iteration = model.rpartition("/m")
    return method, int(iteration)


def depth(settings: dict, model: str) -> int:
    """Return the number of DPO rounds from M0 to ``model``; 0 for the seed and M0."""
    rounds = 0
    while model not in ("seed", "m0"):
        model = parent(settings, *split_model(model))
        rounds += 1
    return rounds


def models(settings: dict, methods: list[str]) -> list[str]:
    """Return the seed, M0, and every model of ``methods`` with those that they start from, parents first."""
    names = ["seed", "m0"]
    for method in methods:
        chain, model = [], f"{method}/m{len(settings['methods'][method]['iterations'])}"
        while model not in names:
            chain.insert(0, model)
            model = parent(settings, *split_model(model))
        names += chain
    return names


def trains_judge(settings: dict, model: str) -> bool:
    """Return whether the DPO round that makes ``model`` trains on judge pairs."""
    method, iteration = split_model(model)
    return "judge" in iterations(settings, method)[iteration - 1]["train_on"]


def scored_by(settings: dict, model: str) -> str | None:
    """Return the reward model of the DPO round that makes ``model``; None where the parent judges."""
    method, iteration = split_model(model)
    return iterations(settings, method)[iteration - 1]["scored_by"]


def uses_judgments(settings: dict, model: str) -> bool:
    """Return whether the DPO round that makes ``model`` needs its parent's judgments, for either kind of pairs."""
    return scored_by(settings, model) is None or trains_judge(settings, model)


def first_judged(settings: dict, trained: list[str], judge: str) -> dict | None:
    """Return the settings of the first round of ``trained`` whose actor pairs ``judge`` scores; None without one."""
    for model in trained:
        method, iteration = split_model(model)
        own = iterations(settings, method)[iteration - 1]
        if parent(settings, method, iteration) == judge and "actor" in own["train_on"] and own["scored_by"] is None:
            return own
    return None


def pool_sizes(settings: dict) -> list[int]:
    """Return the number of prompts of each pool; for a file, of its lines, some of which may be repeats."""
    prompts = settings["prompts"]
    if prompts["source"] == "generate":
        return [prompts["generation"]["size"]] * prompts["generation"]["pools"]
    sizes = []
    for path in prompts["path"]:
        with open(path, "rb") as file:
            sizes.append(sum(1 for line in file if line.strip()))
    return sizes


def slice_place(settings: dict, iteration: int) -> tuple[int, int]:
    """Return (pool, slice of that pool), both from 1, that ``iteration`` takes its prompts from.

    After the last whole slice of a pool comes the next pool, so an added pool changes no earlier iteration. An
    iteration beyond all pools is placed in the last one, which has no slice for it.
    """
    per_iteration, sizes, before = settings["prompts"]["per_iteration"], pool_sizes(settings), 0
    for pool, size in enumerate(sizes, start=1):
        if iteration <= before + size // per_iteration or pool == len(sizes):
            return pool, iteration - before
        before += size // per_iteration
    raise ValueError("there is no pool")
