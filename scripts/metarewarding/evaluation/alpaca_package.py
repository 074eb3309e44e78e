"""The alpaca_eval package without its network: it writes the judge's prompts and reads the verdicts.

Its requests are collected and sent by ``metarewarding.judges``, and it is run again with the replies.
"""

import importlib
import io
import json
import logging
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory

from metarewarding.errors import UserError


def annotate(
    outputs: list[dict],
    reference: list[dict],
    annotator: str,
    judge: dict,
    answer: Callable[[dict], dict],
    changes: dict | None = None,
) -> list[dict]:
    """Return alpaca_eval's annotations of ``outputs`` against ``reference`` (rows of instruction, output, generator).

    ``annotator`` is a config of the package with the prompt and the parser; the model is the judge's. ``answer``
    returns the reply to a request's body, as an OpenAI-compatible server would. Nothing is cached.
    ``changes`` replace what the config sends with a request.
    """
    import httpx
    import yaml

    def handler(request):
        return httpx.Response(200, json=answer(json.loads(request.content)))

    instructions = {row["instruction"] for row in outputs}
    settings = annotator_settings(annotator)
    # Without requires_chatml the package would use /completions for a model with "instruct" in its name.
    settings["completions_kwargs"] |= {"model_name": judge["model"], "requires_chatml": True} | (changes or {})
    with TemporaryDirectory() as folder, quiet(), httpx.Client(transport=httpx.MockTransport(handler)) as client:
        config = Path(folder) / "annotator" / "configs.yaml"
        config.parent.mkdir()
        config.write_text(yaml.safe_dump({judge["name"]: settings}))
        program = package("annotators").PairwiseAnnotator(annotators_config=config, caching_path=None)
        rows = program.annotate_head2head(
            outputs_1=[row for row in reference if row["instruction"] in instructions],
            outputs_2=outputs,
            chunksize=None,
            num_procs=1,
            price_per_token=judge["price_in"] / 1e6,
            client_config_path=Path(folder) / "none",  # otherwise a file of the installed package would be read
            openai_api_keys=["none"],
            openai_organization_ids=[None],
            openai_api_base="http://judge",
            client_kwargs={"http_client": client, "max_retries": 0},
        )
    # a missing verdict is null in JSON, and NaN in the package
    return [{k: None if isinstance(v, float) and v != v else v for k, v in row.items()} for row in rows]


def annotator_settings(annotator: str) -> dict:
    """Return the settings of a packaged annotator; only those that read one token's log-probabilities are accepted."""
    import yaml

    folder = package("constants").EVALUATORS_CONFIG_DIR
    file = folder / annotator / "configs.yaml"
    settings = next(iter(yaml.safe_load(file.read_text()).values())) if file.is_file() else {}
    wanted = settings.get("completions_kwargs", {})
    if settings.get("fn_completion_parser") != "logprob_parser" or "tools" in wanted or "functions" in wanted:
        raise UserError(
            f"benchmarks.alpaca_eval.annotator: alpaca_eval has no annotator '{annotator}' that reads its verdict from "
            "log-probabilities. weighted_alpaca_eval_gpt4_turbo is the published one."
        )
    settings["prompt_template"] = str(folder / settings["prompt_template"])
    return settings


def verdict_tokens(annotator: str) -> set[str]:
    return set(annotator_settings(annotator)["completion_parser_kwargs"]["denominator_tokens"])


def has_verdict(logprobs: dict | None, tokens: set[str]) -> bool:
    """Return whether one of ``tokens`` is among the likeliest first tokens of a reply."""
    content = (logprobs or {}).get("content") or [{}]
    return any(token["token"] in tokens for token in content[0].get("top_logprobs") or [])


def inert(text: str) -> str:
    """Return ``text`` with a zero-width space in markup that the package would interpret: chat turns, placeholders."""
    for token in ("<|im_start|>", "<|im_end|>", "{instruction}", "{output_1}", "{output_2}"):
        text = text.replace(token, token[0] + "\u200b" + token[1:])
    return text


@contextmanager
def quiet():
    """Silence the package while the block runs: it logs tracebacks of unreadable replies, and shows progress bars."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def package(module: str):
    """Import a module of alpaca_eval, and keep the level of all logging, which the import changes."""
    level = logging.root.level
    try:
        return importlib.import_module(f"alpaca_eval.{module}")
    except ImportError as error:
        raise UserError(
            f"alpaca_eval cannot be imported here ({error}): envs/evaluate.in lists what it needs."
        ) from None
    finally:
        logging.root.setLevel(level)
