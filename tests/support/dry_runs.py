"""A process that imports Snakemake and parses the scripts once, which is half of a dry-run, and forks for each of them.

It reads lines ``[folder, words, file for the output]`` (JSON) and answers each with the exit status.
"""

import json
import os
import sys
from pathlib import Path

import jsonschema  # noqa: F401
import numpy  # noqa: F401
import smart_open  # noqa: F401
import snakemake.cli

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "workflow"))
import fingerprint  # noqa: E402

snakemake.cli.get_argument_parser()  # imports the plugins
for script in (ROOT / "scripts").glob("*/*.py"):
    fingerprint.fingerprint(script, ROOT / "scripts")  # the same texts in each copy of the project: they stay parsed
for line in sys.stdin:
    folder, words, output = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        sys.path[0] = ""  # as of `python -m snakemake`
        sys.argv = ["snakemake", *words]
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(file, stream)
        snakemake.cli.main(words)  # ends the process
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
