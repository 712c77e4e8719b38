"""The size of things (style.md §2.11): files of at most 400 lines, functions of at most 60, nesting of at most 3."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("agent", "hub", "tests")
FILE_LINES = 400
FUNCTION_LINES = 60
NESTING = 3
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> list[Path]:
    """Every Python file that people write; migrations are frozen history."""
    found = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    return [file for file in found if "versions" not in file.parts]


def functions(text: str) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines from `def` to the end, the docstring not counted."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


def depth(node: ast.AST, level: int = 0) -> int:
    """How deep blocks stand in blocks; `elif` is no deeper than its `if`, a nested function starts anew."""
    deepest = level
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and [child] == node.orelse
        deepest = max(deepest, depth(child, level + (isinstance(child, _BLOCKS) and not is_elif)))
    return deepest


def test_no_file_is_longer_than_a_few_screens() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in files()}

    assert {} == {name: lines for name, lines in lengths.items() if lines > FILE_LINES}


def test_no_function_is_longer_than_a_screen_or_nested_out_of_sight() -> None:
    too_much = [
        f"{file.relative_to(ROOT)}:{function.lineno} {function.name}: {length(function)} lines, depth {depth(function)}"
        for file in files()
        for function in functions(file.read_text())
        if length(function) > FUNCTION_LINES or depth(function) > NESTING
    ]

    assert [] == too_much


def test_the_measure_measures() -> None:
    docstring = '    """One\n    two."""\n'
    text = f"def f(x):\n{docstring}    if x:\n        pass\n    elif x > 1:\n        for y in x:\n            pass\n"
    (function,) = functions(text)

    assert 6 == length(function)
    assert 2 == depth(function)
