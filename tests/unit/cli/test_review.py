"""What a pull request changes: which files, what `pulumi up` would do about it, and how a reviewer is told."""

from __future__ import annotations

import copy
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.cli.review import change_summary
from nordgate.cli.review.changes import StackChange, stack_change
from nordgate.cli.review.rendered import Tree, rendered
from nordgate.settings.loader import load_file, parse
from nordgate.settings.stack_files import stack_names
from nordgate.settings.stack_settings import Settings
from tests.costs import within

PROJECT = Path(__file__).parents[3]
STACKS = stack_names(PROJECT)
_OSLO, _TEST, _BOTH = "Pulumi.oslo.yaml", "Pulumi.oslo-test.yaml", ("gw1", "gw2")
_IN_TURN, _AT_ONCE = "up to 4min each, one after the other", "up to 4min each, at the same time"
_PROTECTED, _PARALLEL = "  nordgate:protectData: true\n", "  nordgate:parallel: true\n"
_SECOND = "    gw2:\n      hypervisor: host2\n      address: 10.81.0.12\n      pinning: *cores\n"
_SHRUNK = "the data volume of gw1, gw2 has 20480 MiB, and 9216 MiB are declared: a data volume is never shrunk"
_MOVED = "gw2: on host2 now, on host3 as declared, and data does not move by itself"
_RENAMED = (
    "gw3 is declared at the address 10.81.0.12, where gw2 stands until gw3 is proved, "
    "and is then deleted with its data: "
    "take gw2 out with one deployment and add gw3 with the next"
)
_POOL = (
    "the pool of gw1 on host1 is /var/lib/nordgate/lab/oslo/pool, and /var/lib/nordgate/lab/oslo/other is declared: "
    "a pool does not move by itself"
)
PAGE = PROJECT / "docs/pull-requests.md"


@cache
def _rendered(stack: str, settings: str) -> Tree:
    """What most tests edit is one stack of four: the others are rendered once."""
    return rendered(_LOADED[settings], stack)


_LOADED: dict[str, Settings] = {}


def trees(project: Path) -> dict[str, Tree]:
    loaded = {stack: load_file(project, stack) for stack in STACKS}
    _LOADED.update({repr(settings): settings for settings in loaded.values()})
    return {stack: _rendered(stack, repr(settings)) for stack, settings in loaded.items()}


def changes(before: dict[str, Tree], after: dict[str, Tree]) -> list[StackChange]:
    return [change for stack in STACKS if (change := stack_change(stack, before[stack], after[stack]))]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "stacks", tmp_path / "stacks", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path


def edit(project: Path, file: str, before: str, after: str) -> None:
    text = (project / "stacks" / file).read_text()
    assert text.count(before) == 1
    (project / "stacks" / file).write_text(text.replace(before, after))


@pytest.fixture(scope="module")
def unchanged() -> dict[str, Tree]:
    return trees(PROJECT)


@pytest.fixture
def shorter_timeout(project: Path, unchanged: dict[str, Tree]) -> list[StackChange]:
    """One nginx time-out of London, shortened."""
    edit(project, "regions/london.yaml", "      upstream: api\n", "      upstream: api\n      readTimeoutSeconds: 30\n")
    return changes(unchanged, trees(project))


def test_an_unchanged_tree_is_said_to_be_so(project: Path, unchanged: dict[str, Tree]) -> None:
    assert changes(unchanged, trees(project)) == []
    assert change_summary.text([], "main") == "No changes: every stack puts on its machines what it did at main.\n"
    assert "\nNo changes: every stack puts on its machines what it did at `main`.\n" in change_summary.markdown(
        [], "main"
    )


def test_one_time_out_of_london_is_one_line_of_its_two_stacks(shorter_timeout: list[StackChange]) -> None:
    assert [change.stack for change in shorter_timeout] == ["london", "london-test"]
    for change in shorter_timeout:
        (file,) = change.files
        assert file.path == "files/etc/nginx/nordgate/servers.conf"
        assert [line for line in file.diff.splitlines() if line[0] in "+-"] == [
            "-        proxy_read_timeout 60s;",
            "+        proxy_read_timeout 30s;",
        ]
    assert shorter_timeout[0].replaced == ("gw1", "gw2")
    assert shorter_timeout[1].replaced == ("gw1",)


def test_the_example_in_the_docs_is_what_the_tool_makes(
    shorter_timeout: list[StackChange], request: pytest.FixtureRequest
) -> None:
    fence = re.compile(r"(?<=^````markdown\n).*?(?=^````$)", re.DOTALL | re.MULTILINE)
    text, made = PAGE.read_text(), change_summary.markdown(shorter_timeout, "main")
    if request.config.getoption("--update-golden"):
        text = fence.sub(lambda _: made, text)
        PAGE.write_text(text)
    assert fence.findall(text) == [made], "if that is intended: pytest tests/unit/cli --update-golden"


@pytest.mark.parametrize(
    ("file", "before", "after", "expected"),
    [
        (_OSLO, "memory: 4GiB", "memory: 8GiB", {"replaced": _BOTH, "interruption": _IN_TURN}),
        (_OSLO, "sha256: f", "sha256: e", {"replaced": _BOTH}),
        (_OSLO, "protectData: true", "protectData: false", {"replaced": (), "checked": (), "interruption": "none"}),
        (_OSLO, _PROTECTED, _PROTECTED + _PARALLEL, {"replaced": (), "checked": (), "interruption": "none"}),
        (_OSLO, "dataVolume: 20GiB", "dataVolume: 40GiB", {"grown": _BOTH, "refused": (), "replaced": ()}),
        (_OSLO, "dataVolume: 20GiB", "dataVolume: 20481MiB", {"grown": _BOTH, "refused": ()}),
        (_OSLO, "dataVolume: 20GiB", "dataVolume: 9GiB", {"grown": (), "refused": (_SHRUNK,)}),
        (_OSLO, "hypervisor: host2", "hypervisor: host3", {"refused": (_MOVED,), "replaced": ("gw2",)}),
        (_OSLO, _SECOND, "", {"deleted": ("gw2",), "replaced": (), "interruption": "gw2 for good"}),
        (_OSLO, "    gw2:\n", "    gw3:\n", {"created": ("gw3",), "deleted": ("gw2",), "refused": (_RENAMED,)}),
        (_TEST, "budgetScale: 50", "budgetScale: 60", {"replaced": (), "checked": ("gw1",), "interruption": "none"}),
        (_TEST, "lab/oslo/pool", "lab/oslo/other", {"hosts": ("host1",), "refused": (_POOL,)}),
        ("regions/oslo.yaml", "p99: 40ms", "p99: 30ms", {"replaced": (), "checked": _BOTH}),
        ("regions/oslo.yaml", "timeServers: [10.81.0.1]", "timeServers: [10.81.0.2]", {"replaced": _BOTH}),
        ("regions/oslo.yaml", "network:\n", "network:\n  vrrpPeers: [10.81.0.12]\n", {"replaced": _BOTH}),
        ("regions/oslo.yaml", "network:\n", "unattendedUpgrades: true\nnetwork:\n", {"replaced": _BOTH}),
    ],
)
def test_each_change_is_told_with_what_becomes_of_the_gateways(
    project: Path, unchanged: dict[str, Tree], file: str, before: str, after: str, expected: dict[str, Any]
) -> None:
    if "host3" in after:
        edit(project, file, "  nordgate:image:", _THIRD_HOST + "  nordgate:image:")
        unchanged = trees(project)
    edit(project, file, before, after)
    found = changes(unchanged, trees(project))[0]
    assert found.stack.startswith("oslo")
    for name, value in expected.items():
        assert getattr(found, name) == value, name


def test_gateways_are_away_at_the_same_time_only_where_the_stack_says_so(
    project: Path, unchanged: dict[str, Tree]
) -> None:
    edit(project, _OSLO, "memory: 4GiB", "memory: 8GiB")
    assert changes(unchanged, trees(project))[0].interruption == _IN_TURN
    edit(project, _OSLO, _PROTECTED, _PROTECTED + _PARALLEL)
    assert changes(unchanged, trees(project))[0].interruption == _AT_ONCE


_THIRD_HOST = """\
    host3:
      uri: qemu:///system
      poolPath: /srv/nvme/nordgate
"""


def test_a_new_stack_and_one_that_goes_are_told(unchanged: dict[str, Tree]) -> None:
    made, gone = stack_change("oslo", {}, unchanged["oslo"]), stack_change("oslo", unchanged["oslo"], {})
    assert made is not None
    assert gone is not None
    assert made.created == ("gw1", "gw2")
    assert gone.deleted == ("gw1", "gw2")
    assert {file.kind for file in made.files} == {"added"}
    assert {file.kind for file in gone.files} == {"removed"}
    rows = [line for line in change_summary.markdown([made, gone], "main").splitlines() if line.startswith("| oslo |")]
    assert rows == [
        "| oslo | new stack: gw1, gw2 | - | - | none |",
        "| oslo | nothing: the stack has no file any more | - | - | none |",
    ]
    notes = [line for line in change_summary.markdown([made, gone], "main").splitlines() if line.startswith("- **")]
    assert len(notes) == 1
    assert "nothing deploys or deletes gw1, gw2 any more: `pulumi destroy`" in notes[0]


def test_a_gateway_that_goes_or_is_renamed_comes_with_what_to_do(project: Path, unchanged: dict[str, Tree]) -> None:
    edit(project, _OSLO, "    gw2:\n", "    gw3:\n")
    head = change_summary.markdown(changes(unchanged, trees(project)), "main").partition("<details>")[0]
    assert "| oslo | made: gw3; deleted: gw2 | - | - | gw2 for good |" in head
    assert "- **oslo**: gw2 is deleted with its data volume, which is protected: `up` refuses it" in head
    assert f"- **oslo**: `up` and `preview` refuse: {_RENAMED}" in head


def test_a_host_that_comes_is_no_reason_to_fear_for_what_stands_on_it(
    project: Path, unchanged: dict[str, Tree]
) -> None:
    edit(project, _OSLO, "  nordgate:image:", _THIRD_HOST + "  nordgate:image:")
    (change,) = changes(unchanged, trees(project))
    assert (change.new_hosts, change.hosts) == (("host3",), ())
    assert "| oslo | made: pool and image on host3 | - | - | none |" in change_summary.markdown([change], "main")


def test_what_is_derived_from_the_rest_makes_no_noise(unchanged: dict[str, Tree]) -> None:
    for tree in unchanged.values():
        for path, text in tree.items():
            if path.endswith(("meta-data", "status.conf", "smoke.json")):
                assert re.search(r"CONTENT-HASH|CONFIG-HASH", text), path
            if not path.startswith("image") and "uuid" not in text:
                assert not re.search(r"\b[0-9a-f]{32,}\b", text), path


def test_a_long_comment_is_cut_at_the_end_of_a_line_and_its_table_never(unchanged: dict[str, Tree]) -> None:
    many: dict[str, Tree] = {
        stack: {
            path: text if path.endswith((".yaml", ".json")) else text + "wörter ``` so long\n" * 400
            for path, text in tree.items()
        }
        for stack, tree in unchanged.items()
    }
    found = changes(unchanged, many)
    comment = change_summary.markdown(found, "main")
    assert 50_000 < len(comment.encode()) <= change_summary.LIMIT
    for stack in STACKS:
        assert f"\n| {stack} | gw1" in comment
        assert f"<summary>{stack}: " in comment
    assert comment.count("<details>") == comment.count("</details>") == len(STACKS)
    assert len(re.findall(r"^… \d+ more lines; `make diff BASE=main` shows them all$", comment, re.MULTILINE)) == len(
        STACKS
    )
    assert len(change_summary.text(found, "main")) > change_summary.LIMIT


@pytest.mark.parametrize(
    "text",
    ["x" * 200_000, "`" * 200_000, "`" * 20_000 + "\n" + "line\n" * 40_000, "ü`" * 100 + "\n" + "line\n" * 40_000],
    ids=["one line", "one line of fences", "fences first", "no ASCII"],
)
def test_no_text_makes_the_comment_longer_than_github_takes(text: str, unchanged: dict[str, Tree]) -> None:
    tree = dict(unchanged["oslo"]) | {"gateways/gw1/files/etc/motd": text}
    comment = change_summary.markdown(changes(unchanged, unchanged | {"oslo": tree}), "main")
    assert len(comment.encode()) <= change_summary.LIMIT
    assert len(change_summary.failed(text).encode()) <= change_summary.LIMIT
    assert " more lines; `make diff BASE=main` shows them all\n" in comment


def test_a_long_list_of_mistakes_is_cut_too() -> None:
    comment = change_summary.failed("\n".join(f"  nginx.routes.{number}   wrong" for number in range(5_000)))
    assert 50_000 < len(comment) <= change_summary.LIMIT
    assert re.search(r"^… \d+ more lines; `make check` shows them all\n```$", comment, re.MULTILINE)


def test_nothing_that_is_rendered_can_end_the_fold_it_stands_in(unchanged: dict[str, Tree]) -> None:
    tree = dict(unchanged["oslo"])
    tree["gateways/gw1/files/etc/motd"] = "```\n</details>\n````\n"
    comment = change_summary.markdown(changes(unchanged, unchanged | {"oslo": tree}), "main")
    assert "\n`````diff\n" in comment
    assert comment.count("\n`````\n") == 1


@pytest.mark.slow
def test_two_hundred_gateways_are_rendered_in_less_than_ten_seconds() -> None:
    config: dict[str, Any] = yaml.safe_load((PROJECT / "stacks/Pulumi.oslo.yaml").read_text())["config"]
    config = copy.deepcopy(config)
    # No host has cores of their own for a hundred.
    config["nordgate:hardware"]["profile"] = "balanced"
    config["nordgate:gateways"] = {
        f"gw{number}": {"hypervisor": f"host{number % 2 + 1}", "address": f"10.81.0.{number + 22}"}
        for number in range(1, 201)
    }
    tree = within(10, lambda: rendered(parse(config, "oslo", PROJECT), "oslo"))
    assert sum(path.endswith("domain.xml") for path in tree) == 200
    changed = {path: text.replace("proxy_read_timeout 60s", "proxy_read_timeout 30s") for path, text in tree.items()}
    found = stack_change("oslo", tree, changed)
    assert found is not None
    assert len(found.files) == 1, "the same change of all is shown once"
    assert "and 194 more" in change_summary.markdown([found], "main")


def test_a_reviewer_is_warned_of_what_an_edit_does_to_data(project: Path, unchanged: dict[str, Tree]) -> None:
    edit(project, _OSLO, "dataVolume: 20GiB", "dataVolume: 10GiB")
    edit(project, _TEST, "lab/oslo/pool", "lab/oslo/other")
    comment = change_summary.markdown(changes(unchanged, trees(project)), "main")
    assert "- **oslo**: `up` and `preview` refuse: the data volume of gw1, gw2 has 20480 MiB, and 10240" in comment
    assert f"- **oslo-test**: `up` and `preview` refuse: {_POOL}" in comment


def test_a_data_volume_that_grows_is_updated_in_place(project: Path, unchanged: dict[str, Tree]) -> None:
    edit(project, _OSLO, "dataVolume: 20GiB", "dataVolume: 40GiB")
    found = changes(unchanged, trees(project))
    head = change_summary.markdown(found, "main").partition("<details>")[0]
    assert " | smoke check of gw1, gw2; data volume of gw1, gw2 grown | " in head
    assert "**oslo**" not in head, "there is nothing to warn of"
    said = change_summary.text(found, "main")
    assert "  updated in place       smoke check of gw1, gw2; data volume of gw1, gw2 grown\n" in said


_REMARK = "\n# A remark.\n\n"


def test_comments_and_blanks_are_shown_and_replace_nothing(unchanged: dict[str, Tree]) -> None:
    tree = dict(unchanged["oslo"])
    tree["gateways/gw1/files/etc/nginx/nginx.conf"] = _REMARK + tree["gateways/gw1/files/etc/nginx/nginx.conf"]
    sheet = tree["gateways/gw1/domain.xslt"]
    tree["gateways/gw1/domain.xslt"] = sheet.replace("  <xsl:template", "\n  <!-- A remark. -->\n    <xsl:template")
    found = stack_change("oslo", unchanged["oslo"], tree)
    assert found is not None
    assert (found.replaced, found.commented, found.interruption) == ((), ("gw1",), "none")
    assert len(found.files) == 2
    assert "| oslo | - | nothing on gw1: comments alone | - | none |" in change_summary.markdown([found], "main")


def test_a_line_that_counts_beside_a_comment_replaces(unchanged: dict[str, Tree]) -> None:
    tree = dict(unchanged["oslo"])
    path = "gateways/gw1/files/usr/local/sbin/nordgate-boot"
    tree[path] = tree[path].replace("#!/bin/bash\n", "#!/bin/sh\n# A remark.\n")
    found = stack_change("oslo", unchanged["oslo"], tree)
    assert found is not None
    assert (found.replaced, found.commented) == (("gw1",), ())


def test_a_secret_that_goes_is_not_shown_once_more(unchanged: dict[str, Tree]) -> None:
    before = dict(unchanged["oslo"])
    before["image.yaml"] = "url: https://me:hunter2@images/a.qcow2?token=hunter2\n"
    found = stack_change("oslo", before, unchanged["oslo"])
    assert found is not None
    for shown in (change_summary.markdown([found], "main"), change_summary.text([found], "main")):
        assert "-url: https://me:…@images/a.qcow2?token=…" in shown
        assert "hunter2" not in shown
