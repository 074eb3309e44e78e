"""A hash of what a script does: its syntax tree and those of the local modules that it imports.

Snakemake compares a script's time stamp and never looks into what it imports. Rules carry this hash as
a param instead, so that a comment, a docstring, a touch or a fresh clone reruns nothing, and a real
edit, in the script or in the library, reruns exactly the rules that use it.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path


def fingerprint(script: str | Path) -> str:
    """Sixteen hex digits over ``script`` and all modules beside it that it imports, directly or not."""
    folder = Path(script).parent
    found: dict[str, str] = {}
    waiting = [Path(script)]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(folder).as_posix()
        if name in found:
            continue
        imported, found[name] = _parsed(path.read_text(encoding="utf-8"), Path(name).parent.parts, str(path))
        waiting += [file for module in imported for file in _files(folder, module)]
    text = "\n".join(f"{name} {dump}" for name, dump in sorted(found.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache  # most rules' scripts import the same modules, and every job's process asks for all of them
def _parsed(text: str, package: tuple[str, ...], path: str) -> tuple[list[str], str]:
    """(What a module imports, its syntax tree as text.)"""
    tree = ast.parse(text, path)
    return _imports(tree, package), ast.dump(_without_docstrings(tree))


def _imports(tree: ast.AST, package: tuple[str, ...]) -> list[str]:
    """Dotted names that ``tree``, a module of ``package``, imports; of `from a import b` both `a` and `a.b`, as b may
    be a module."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return names


def _files(folder: Path, module: str) -> list[Path]:
    """What importing ``module`` runs of ``folder``: the module, and the packages that it lies in."""
    parts = module.split(".")
    packages = [folder.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [file for file in (folder.joinpath(*parts).with_suffix(".py"), *packages) if file.is_file()]


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:] or [ast.Pass()]
    return tree
