"""Documents hold together: what code and pages cite is there, every page is linked, and what is public is explained."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])
SOURCES = sorted(
    path
    for folder in ("hvpzip", "benchmarks", "examples", "tests")
    for ending in ("*.py", "*.h", "*.cpp")
    for path in (ROOT / folder).rglob(ending)
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
CITED = re.compile(r"docs/([a-z/]+\.md)(?:,? sections? (\d+(?:\.\d+)?)|, (\d+)\b|, ([A-Z][a-z]+(?: [a-z]+)*))?")


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S), re.M)


def anchor(heading: str) -> str:
    """As on the usual hosts."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def words_of(source: Path) -> str:
    """Its text with comments and docstrings on one line each."""
    return re.sub(r"\s*\n\s*(?:#|//|\*)?\s*", " ", source.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target, place in LINK.findall(text):
        if re.match(r"\w+:", target):
            continue
        found = page if not target else (page.parent / target).resolve()
        assert found.exists(), target
        assert not place or place in map(anchor, headings(found)), f"{target}#{place}"


def test_every_page_is_linked_from_the_readme_or_from_one_that_is() -> None:
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = (page.parent / target for target, _ in LINK.findall(page.read_text(encoding="utf-8")) if target and ":" not in target)
        waiting += [target.resolve() for target in targets if target.is_file()]
    assert [page.name for page in PAGES if page not in seen] == []


def citations() -> Iterator[tuple[str, str, str, str, str]]:
    for source in SOURCES:
        if source != Path(__file__).resolve():
            for found in CITED.finditer(words_of(source)):
                yield (source.relative_to(ROOT).as_posix(), *(found[number] or "" for number in range(1, 5)))


def test_sections_that_code_cites_are_there() -> None:
    cited = list(citations())
    assert len(cited) > 20
    for source, page, section, row, title in cited:
        path = ROOT / "docs" / page
        assert path.is_file(), f"{source} cites {page}"
        there = headings(path)
        if section:
            assert any(heading.split()[0].rstrip(".") == section for heading in there), f"{source} cites section {section} of {page}"
        if row:
            assert f"\n| {row} |" in path.read_text(encoding="utf-8"), f"{source} cites row {row} of {page}"
        if title:
            assert any(heading.startswith(title) or title.startswith(heading) for heading in there), f"{source} cites {title!r} of {page}"


def test_public_functions_and_classes_are_explained() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in sorted((ROOT / "hvpzip").rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert missing == []


def test_every_module_says_what_it_is() -> None:
    files = sorted((ROOT / "hvpzip").rglob("*.py"))
    assert [path.name for path in files if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))] == []


def test_the_map_of_packages_names_every_package() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = page[page.index("## The map of packages") : page.index("## The life of a photo")]
    folders = [path.parent for path in sorted((ROOT / "hvpzip").rglob("__init__.py")) if path.parent != ROOT / "hvpzip"]
    assert [folder.relative_to(ROOT).as_posix() for folder in folders if f"{folder.name}/" not in listed] == []
