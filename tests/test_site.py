"""The documentation and the files around the package agree with the package; nothing is built."""

from __future__ import annotations

import fnmatch
import inspect
import json
import pkgutil
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

import stemfast as sf
from stemfast.cli import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = {
    page.relative_to(DOCS).with_suffix("").as_posix(): page.read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md")
    if "_build" not in page.parts
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [
    path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"
]


def loaded(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def below(page: str) -> list[str]:
    """Pages that a page puts under itself in the navigation."""
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```$", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    entries = [line for line in lines if line and not line.startswith(":")]
    return [found for entry in entries for found in sorted(fnmatch.filter(PAGES, entry)) or [entry]]


def test_every_page_is_in_the_navigation_once():
    reached = [page for parent in PAGES for page in below(parent)]
    assert sorted(reached) == sorted(set(PAGES) - {"index"})


@pytest.mark.parametrize("page", [page for page in PAGES if below(page)])
def test_a_page_links_what_stands_under_it(page):
    linked = {
        (Path(page).parent / target).with_suffix("").as_posix()
        for target in re.findall(r"\]\(([^)#:]+\.md)[^)]*\)", PAGES[page])
    }
    assert {found for found in below(page) if not found.startswith("model_cards/")} <= linked


@pytest.mark.parametrize("page", [page for page in PAGES if not below(page)])
def test_a_page_ends_with_where_to_go_next(page):
    if "```{include}" in PAGES[page] or page.startswith("model_cards/"):
        return  # written for another place as well, or generated
    end = re.split(r"^(?:## Where to go next|Next:)", PAGES[page], flags=re.MULTILINE)
    assert len(end) == 2
    assert "\n## " not in end[1]
    assert re.search(r"\]\([^)]+\.md", end[1])


def test_the_newcomer_is_led_from_the_readme_to_the_first_micrograph():
    assert "(docs/start.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert below("index")[0] == "start"
    assert "\n## First micrograph\n" in PAGES["start"]


def test_every_public_name_is_in_the_reference():
    reference = "\n".join(text for page, text in PAGES.items() if page.startswith("reference/"))
    documented = set(re.findall(r":: stemfast\.(\w+)", reference, flags=re.MULTILINE))
    by_module = {"Material": "materials"}
    missing = {by_module.get(name, name) for name in sf.__all__} - documented
    assert missing == {"__version__"}


def documented() -> dict[str, object]:
    """Objects that the reference takes from docstrings, by the name it gives them."""
    found: dict[str, object] = {}
    pattern = re.compile(r"^\.\. auto(\w+):: (stemfast[\w.]*)", flags=re.MULTILINE)
    for kind, name in pattern.findall("\n".join(PAGES.values())):
        found[name] = entry = pkgutil.resolve_name(name)
        if kind == "module":
            public = getattr(entry, "__all__", None) or [n for n in vars(entry) if n[0] != "_"]
            found |= {f"{name}.{part}": getattr(entry, part) for part in public}
    for name, entry in list(found.items()):
        if inspect.isclass(entry):
            found |= {f"{name}.{part}": member for part, member in vars(entry).items()}
    return found


def test_links_of_docstrings_lead_to_names_in_the_reference():
    """The tests build no site, where a link to a name without a page is an error."""
    names, link = documented(), re.compile(r":[a-z]+:`~?(stemfast[\w.]*)`")
    lost = {
        (name, target)
        for name, entry in names.items()
        for target in link.findall(getattr(entry, "__doc__", "") or "")
        if target not in names
    }
    assert not lost


FENCED = re.compile(r"^```(\S*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
COMMANDS = sorted(
    {
        re.split(r"\s+#|\s+\|\s|\s+&", line)[0].strip()
        for text in PAGES.values()
        for language, block in FENCED.findall(text)
        if language in ("", "sh")
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("stemfast ")
    }
)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_on_the_pages_have_the_options_they_show(line):
    command, words = typer.main.get_command(app), shlex.split(line)[1:]
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        two = " ".join(words[:2])
        taken = 2 if two in command.commands else 1
        command, words = command.commands[" ".join(words[:taken])], words[taken:]
    known = {name for option in command.params for name in option.opts + option.secondary_opts}
    shown = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert shown <= known | {"--help", "--version"}


def test_the_gallery_shows_code_that_runs():
    code = [block for language, block in FENCED.findall(PAGES["gallery"]) if language == "python"]
    seen: dict[str, object] = {}
    ran = [block for block in code if "gif" not in block and "found" not in block]
    for block in ran:
        exec(block, seen)
    assert len(ran) == len(code) - 2


def test_citation_and_archive_metadata_agree_with_the_package():
    citation = loaded(ROOT / "CITATION.cff")
    archive = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    title = f"{PROJECT['name']}: {PROJECT['description'][0].lower()}{PROJECT['description'][1:]}"
    for found in (citation, archive):
        assert found["version"] == PROJECT["version"]
        assert found["license"] == PROJECT["license"]
        assert found["keywords"] == PROJECT["keywords"]
        assert found["title"] == title
    authors = [author["name"] for author in PROJECT["authors"]]
    assert [author["name"] for author in citation["authors"]] == authors
    assert [creator["name"] for creator in archive["creators"]] == authors
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]


def test_the_conda_recipe_needs_what_the_package_needs():
    recipe = loaded(ROOT / "conda" / "recipe.yaml")
    assert recipe["context"]["version"] == PROJECT["version"]
    assert recipe["about"]["summary"] == PROJECT["description"]
    needed = {re.sub(r"\s", "", item) for item in recipe["requirements"]["run"]}
    assert needed == {*PROJECT["dependencies"], "python"}
    assert recipe["build"]["skip"] == f'match(python, "<{PROJECT["requires-python"].lstrip(">=")}")'


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_parses_and_runs_what_there_is(path):
    workflow = loaded(path)
    assert workflow["name"] == path.stem
    assert workflow[True]  # YAML 1.1 reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for job in workflow["jobs"].values():
        assert set(job.get("needs", "").split()) <= set(workflow["jobs"])
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
            continue
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            words = step.get("run", "").split()
            assert words[:1] != ["make"] or words[1] in targets


def test_workflows_run_every_python_that_the_package_allows():
    pythons = loaded(ROOT / ".github/workflows/tests.yml")["jobs"]["systems"]["strategy"]["matrix"]
    assert PROJECT["requires-python"] == f">={pythons['python'][0]}"


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_asks_something(path):
    form = loaded(path)
    assert form["name"]
    assert form["description"]
    assert all(part["attributes"]["label"] for part in form["body"])


def test_pre_commit_runs_tools_that_the_tests_install():
    hooks = [
        hook for repo in loaded(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]
    ]
    installed = " ".join(PROJECT["optional-dependencies"]["test"])
    for hook in hooks:
        tool = Path(hook["entry"].split()[0]).name
        assert hook["language"] == "system"
        assert tool == "python" or tool in installed
