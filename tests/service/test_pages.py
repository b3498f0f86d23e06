"""The description as a page: whole, readable by everyone, and without anything from elsewhere."""

from __future__ import annotations

import gzip
import html
import itertools
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hatchling.builders.wheel import WheelBuilder

from service import create_app
from service.assets import Assets
from service.problems import KINDS
from service.settings import Settings
from tests.examples import letters

from .processes import ROOT

VOID = {"meta", "link", "br"}


class Outline(HTMLParser):
    """Reads a page and holds it to what HTML asks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []
        self.headings: list[int] = []
        self.tags: dict[str, list[dict[str, str | None]]] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.setdefault(tag, []).append(given)
        assert not [name for name in given if name == "style" or name.startswith("on")]
        self.ids += [given["id"]] if given.get("id") else []  # type: ignore[list-item]  # not None here
        self.labels += [given["aria-labelledby"]] if given.get("aria-labelledby") else []  # type: ignore[list-item]  # it is there
        self.links += [value for name in ("href", "src") if (value := given.get(name)) is not None]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def page(client: FlaskClient) -> str:
    response = client.get("/docs")
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; ")
    assert "unsafe" not in policy
    return response.text


def test_it_is_whole_html_with_landmarks_and_headings_in_order(page: str) -> None:
    outline = Outline(page)
    assert len(set(outline.ids)) == len(outline.ids)
    assert set(outline.labels) <= set(outline.ids)
    assert {"header", "nav", "main"} <= set(outline.tags)
    assert outline.tags["html"] == [{"lang": "en"}]
    assert outline.headings.count(1) == 1
    main = outline.headings[outline.headings.index(1) :]
    assert all(after <= before + 1 for before, after in itertools.pairwise(main))
    assert all(cell.get("scope") in {"row", "col"} for cell in outline.tags["th"])


def test_nothing_comes_from_elsewhere_and_every_link_leads_somewhere(page: str, client: FlaskClient) -> None:
    outline = Outline(page)
    assert not {"script", "style", "img", "iframe", "form"} & set(outline.tags)
    for link in outline.links:
        if link.startswith("#"):
            assert link[1:] in outline.ids, link
        else:
            assert link.startswith("/")
            assert client.get(link).status_code == 200


def test_every_route_shape_and_problem_has_an_anchor(page: str, client: FlaskClient) -> None:
    document: Any = client.get("/openapi.json").json
    routes = {item["operationId"] for methods in document["paths"].values() for item in methods.values()}
    shapes = {f"shape-{name}" for name in document["components"]["schemas"]}
    assert routes | shapes | {f"problem-{kind}" for kind in KINDS} <= set(Outline(page).ids)


def commands(page: str) -> list[list[str]]:
    found = re.findall(r"<pre tabindex=\"0\"><code>(curl.*?)</code></pre>", page, re.DOTALL)
    return [shlex.split(html.unescape(text).replace("\\\n", " ")) for text in found]


def test_every_route_has_a_line_with_curl_that_works(page: str, client: FlaskClient, tmp_path: Path) -> None:
    letters().save(tmp_path / "symbols" / "letters")
    settings = Settings(models=tmp_path / "symbols", state=tmp_path / "state", reload_seconds=0)
    of_symbols = create_app(settings).test_client()
    lines = commands(page)
    document: Any = client.get("/openapi.json").json
    assert len(lines) >= sum(len(methods) for methods in document["paths"].values())
    for line in lines:
        url = next(word for word in line if word.startswith("http://localhost/"))
        headers = [line[k + 1].split(": ") for k, word in enumerate(line) if word == "-H"]
        body = line[line.index("--data-binary") + 1] if "--data-binary" in line else None
        method = line[line.index("-X") + 1] if "-X" in line else "POST" if body is not None else "GET"
        asked = of_symbols if url.endswith("/v1/next") else client
        response = asked.open(
            url.removeprefix("http://localhost"),
            method=method,
            data=body,
            headers=dict(headers),  # type: ignore[arg-type]  # pairs
        )
        there_is_no_such = response.status_code == 404 and ("/sales" in url or "/jobs/" in url)
        assert response.status_code in {200, 202} or there_is_no_such, (line, response.text)


def test_a_host_that_is_none_of_html_is_no_html(client: FlaskClient) -> None:
    assert client.get("/docs", headers={"Host": "<b>evil</b>"}).status_code == 400


def test_files_of_pages_are_those_in_the_folders_and_no_others(client: FlaskClient) -> None:
    folder = f"/static/{Assets().version}"
    style = client.get(f"{folder}/docs.css")
    assert style.content_type == "text/css; charset=utf-8"
    assert style.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert client.get("/static/current/docs.css").headers["Cache-Control"] == "no-cache"
    for name in ("nothing.css", "..%2fwsgi.py", "%2e%2e/wsgi.py", "", "docs.css%00", "README.md"):
        assert client.get(f"{folder}/{name}").status_code == 404, name
    assert client.get("/static/0123456789ab/docs.css").status_code == 404


def test_no_file_of_the_pages_names_another_place() -> None:
    """What is vendored says where it is from in comments; nothing is loaded from there."""
    for name, asset in Assets().files.items():
        assert b"url(" not in asset.content, name
        assert b"@import" not in asset.content, name


def test_files_are_packed_for_those_who_accept_it(client: FlaskClient) -> None:
    path = "/static/current/page.css"
    plain, packed = client.get(path), client.get(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_a_changed_or_renamed_file_makes_another_version(tmp_path: Path) -> None:
    versions = []
    for name, text in (("docs.css", "a"), ("docs.css", "b"), ("other.css", "b")):
        for old in tmp_path.iterdir():
            old.unlink()
        (tmp_path / name).write_text(text)
        assets = Assets([tmp_path])
        versions.append(assets.version)
        assert assets.url_of(name) == f"/static/{assets.version}/{name}"
    assert len(set(versions)) == 3
    with pytest.raises(LookupError, match=r"no file docs\.css"):
        assets.url_of("docs.css")


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_are_readable(scheme: int) -> None:
    """A contrast of 4.5 to 1, as WCAG 2.2 asks of text (AA)."""
    text = (ROOT / "service" / "static" / "docs.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", re.findall(r":root \{(.*?)\}", text, re.DOTALL)[scheme]))
    for name in set(colours) - {"paper", "panel", "line"}:
        for ground in ("paper", "panel"):
            low, high = sorted((luminance(colours[name]), luminance(colours[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, ground)


def test_the_wheel_holds_what_pages_need() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {"service/static/docs.css", "service/templates/docs.html", "service/gunicorn.conf.py"} <= packed
    assert {"service/static/page.js", "service/templates/page/forecast.html"} <= packed
    assert {f"service/samples/{path.name}" for path in (ROOT / "data").iterdir()} <= packed
