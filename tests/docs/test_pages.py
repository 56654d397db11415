"""What holds for every page: links lead somewhere, nothing is put off, nobody else's machine is named."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from docs_pages import ROOT, anchors, blocks, links, pages

PUBLIC = {
    "app.example",
    "cdn.openai.com",
    "fetch.spec.whatwg.org",
    "github.com",
    "keepachangelog.com",
    "models.dev",
    "prometheus.io",
    "semver.org",
    "db.example.com",
    "llm.example.com",
    "proxy.example.com",
}
"""Hosts that documents may name: standards, sources of data, and names that are reserved for examples."""

ids = {"ids": lambda page: str(page.relative_to(ROOT)) if isinstance(page, Path) else None}
every_page = pytest.mark.parametrize("page", pages(), **ids)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in links(page):
        if urlsplit(link).scheme:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            lost.append(link)
    assert not lost


@every_page
def test_no_host_is_named_but_public_and_local_ones(page: Path) -> None:
    foreign = set()
    for found in re.findall(r"\b[a-z]+://(?:[^\s/@]*@)?(\[[0-9a-f:]+\]|[\w.-]+)", page.read_text(encoding="utf-8")):
        host = found.strip("[].")
        placeholder = host.isupper()  # HOST, FILE
        if not placeholder and host not in PUBLIC and not _here(host):
            foreign.add(host)
    assert not foreign


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@every_page
def test_words_that_we_do_not_use(page: Path) -> None:
    words = re.findall(
        r"\b(?:simply|todo|fixme|tbd|coming soon|lorem)\b", page.read_text(encoding="utf-8"), re.IGNORECASE
    )
    assert not words


@every_page
def test_every_block_says_its_language_or_is_plain(page: Path) -> None:
    known = {"", "console", "text", "python", "js", "json", "yaml", "toml", "sql", "ini", "nginx", "http"}
    assert {block.language for block in blocks(page)} <= known


def test_every_page_can_be_reached_from_the_map() -> None:
    docs = ROOT / "docs"
    found = {docs / "README.md"}
    ahead = list(found)
    while ahead:
        page = ahead.pop()
        near = {(page.parent / link.partition("#")[0]).resolve() for link in links(page) if not urlsplit(link).scheme}
        new = {one for one in near if one.suffix == ".md" and one.exists()} - found
        found |= new
        ahead += new
    assert not set(docs.rglob("*.md")) - found


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
