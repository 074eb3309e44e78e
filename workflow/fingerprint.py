"""A hash of a script's code: its syntax tree and those of the local modules that it imports.

Snakemake compares a script's time stamp and ignores its imports. Rules have this hash as a param instead, so that a
comment, a docstring, a touch or a fresh clone reruns nothing, and a real edit, in the script or in the library, reruns
exactly the rules that use it.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def fingerprint(
    script: str | Path, folder: str | Path, by_name: Iterable[Path] = (), fields: Iterable[str] = ()
) -> str:
    """Return sixteen hex digits over ``script`` and all modules below ``folder`` that it imports, directly or not.

    ``by_name``: further modules, which it imports by names that are not in the code. With ``fields``, only the code
    that these fields of their ``BENCHMARK`` need counts.
    """
    folder = Path(folder)
    # most imports are not local, and looking for each in several files takes time
    local = {path.stem for path in folder.iterdir()}
    parts: dict[str, str] = {}
    waiting, named = [Path(script), *by_name], set(by_name)
    while waiting:
        path = waiting.pop()
        name = path.relative_to(folder).as_posix()
        if name in parts:
            continue
        text = path.read_text(encoding="utf-8")
        text = part_of(text, tuple(fields)) if fields and path in named else text
        try:
            imported, parts[name] = _parsed(text, Path(name).parent.parts)
        except SyntaxError as error:
            error.filename = str(path)
            raise
        waiting += [file for module in imported if module.split(".")[0] in local for file in _files(folder, module)]
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(parts.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def part_of(text: str, fields: tuple[str, ...]) -> str:
    """Return the code that ``fields`` of a module's ``BENCHMARK = Benchmark(...)`` need, directly or not."""
    body = ast.parse(text).body
    statements = {name: node for node in body for name in _defined(node)}
    values = [keyword.value for keyword in statements["BENCHMARK"].value.keywords if keyword.arg in fields]
    needed: set[str] = set()
    waiting: list[ast.AST] = [*values]
    while waiting:
        used = {node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name)}
        new = (used & statements.keys()) - needed
        needed |= new
        waiting += [statements[name] for name in new]
    return "\n".join(map(ast.unparse, [*(node for node in body if needed & set(_defined(node))), *values]))


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement at the top of a module defines."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    return [name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]


@cache  # most scripts import the same modules, and every job's process computes all fingerprints
def _parsed(text: str, package: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return (the imports of a module, a hash of its syntax tree without docstrings).

    `from a import b` gives both `a` and `a.b`, as b may be a module; relative names are completed by ``package``.
    """
    tree, names = ast.parse(text), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= dict.fromkeys(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            names |= dict.fromkeys([module, *(f"{module}.{alias.name}" for alias in node.names)])
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tuple(names), hashlib.sha256(ast.dump(tree).encode()).hexdigest()


@cache  # thousands of lookups in one run, of few modules
def _files(folder: Path, module: str) -> tuple[Path, ...]:
    """Return the files in ``folder`` that importing ``module`` runs: the module, and the packages around it."""
    parts = module.split(".")
    packages = [folder.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return tuple(file for file in (folder.joinpath(*parts).with_suffix(".py"), *packages) if file.is_file())
