"""Writes the tables of the pages in this folder from the code.

A page says `<!-- fields FILE CLASS -->` and `<!-- end -->`; what stands between is replaced by the
class's fields with their types and their docstrings. `<!-- options BACKEND -->` stands for that
backend's options. `python -m docs.tables` rewrites all pages.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rankdeck.backend import backend_options
from rankdeck.cli.backend_flags import flag_spelling

if TYPE_CHECKING:
    from rankdeck.backend import BackendOption

ROOT = Path(__file__).parents[1]
PAGES = tuple(sorted(Path(__file__).parent.glob("*.md")))

_FIELDS = re.compile(r"(<!-- fields (\S+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OPTIONS = re.compile(r"(<!-- options (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_WORDS = (
    (re.compile(r"\btuple\[(.+?), \.\.\.\]"), r"list of \1"),
    (re.compile(r"\bdict\[str, (.+)\]"), r"object of \1"),
    (re.compile(r" \| None\b"), " or null"),
    (re.compile(r" \| "), " or "),
    (re.compile(r"\bstr\b"), "text"),
    (re.compile(r"\b(int|float)\b"), "number"),
    (re.compile(r"number or number"), "number"),
    (re.compile(r"\bbool\b"), "true or false"),
)


def render(page: str) -> str:
    """The page with fresh tables."""
    page = _FIELDS.sub(lambda found: found[1] + table(found[2], found[3]) + found[4], page)
    return _OPTIONS.sub(lambda found: found[1] + option_table(found[2]) + found[3], page)


def option_table(backend: str) -> str:
    """One backend's options as a Markdown table."""
    head = "| flag | in `job.yaml` | default | meaning |\n|--|--|--|--|\n"
    return head + "".join(map(_option_row, backend_options(backend)))


def _option_row(option: BackendOption) -> str:
    flag = f"{flag_spelling(option.name)} {option.metavar}".strip()
    # most say their default themselves, where it is no plain value
    default = "" if option.default in (None, False, "") else f"`{option.default}`"
    meaning = option.help.rstrip(".")
    if option.choices:
        meaning += f" ({', '.join(f'`{choice}`' for choice in option.choices)})"
    if option.repeatable:
        meaning += "; may be given several times"
    return f"| `{flag}` | `{option.name}` | {default} | {meaning} |\n"


def table(file: str, name: str) -> str:
    """One record's fields, or one enum's values, as a Markdown table."""
    tree = ast.parse((ROOT / file).read_text())
    record = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name
    )
    members = [
        (node, _docstring_after(record.body, index)) for index, node in enumerate(record.body)
    ]
    if not any(meaning for _, meaning in members) and _is_enum(record):
        return ", ".join(f"`{value}`" for node, _ in members for value in _values(node)) + "\n"
    head = "| field | type | meaning |\n|--|--|--|\n"
    if _is_enum(record):
        head = "| value | meaning |\n|--|--|\n"
    return head + "".join(_row(node, meaning) for node, meaning in members)


def _is_enum(record: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Enum" for base in record.bases)


def _values(node: ast.stmt) -> list[str]:
    match node:
        case ast.Assign(targets=[ast.Name()], value=ast.Constant(value=str(value))):
            return [value]
    return []


def _row(node: ast.stmt, meaning: str) -> str:
    match node:
        case ast.AnnAssign(target=ast.Name(id=field), annotation=annotation):
            return f"| `{field}` | {_in_words(ast.unparse(annotation))} | {meaning} |\n"
    return "".join(f"| `{value}` | {meaning} |\n" for value in _values(node))


def _in_words(annotation: str) -> str:
    for pattern, words in _WORDS:
        annotation = pattern.sub(words, annotation)
    return annotation


def _docstring_after(body: list[ast.stmt], index: int) -> str:
    if index + 1 == len(body):
        return ""
    match body[index + 1]:
        case ast.Expr(value=ast.Constant(value=str(text))):
            # a bar would end the table's cell
            return " ".join(text.split()).replace("|", "\\|")
    return ""


def main() -> None:
    """Rewrite every page that has tables."""
    for page in PAGES:
        page.write_text(render(page.read_text()))


if __name__ == "__main__":
    main()
