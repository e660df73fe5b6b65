"""Links in the documentation lead to pages and headings that exist; every decision is listed."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
]
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)")


def _anchors(page: Path) -> set[str]:
    """Of the headings, as the usual hosts make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            there = page.parent / target if target else page
            if not there.exists() or (anchor and anchor not in _anchors(there)):
                broken.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")

    assert not broken


def test_the_index_of_decisions_lists_each_by_its_title() -> None:
    folder = ROOT / "docs/adr"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(page for page in folder.glob("*.md") if page.name != "README.md")

    assert [page.name for page in pages] == re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", index)
    for number, page in enumerate(pages, start=1):
        title = page.read_text(encoding="utf-8").splitlines()[0]
        assert f"| [{page.name[:4]}]({page.name}) | {title.partition('. ')[2]} |" in index
        assert title.startswith(f"# {number}. ")
