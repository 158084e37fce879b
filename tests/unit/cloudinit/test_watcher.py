"""What the guest's watcher concludes, without a clock and without a network."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cloudinit import PATHS, PLATFORMS, seed_documents
from cloudinit.watcher.apply import apply, read_wanted, texts
from cloudinit.watcher.standing import Name, Pace, Standing, down_of
from cloudinit.watcher.table import (
    MOST_ADDRESSES,
    Group,
    Health,
    Server,
    Table,
    endpoints,
    parse,
    server_lines,
    trusted,
)
from cloudinit.watcher.watch import Publisher, Watch
from tests.unit.cloudinit.samples import gateway, guest

A, B = Server("10.8.0.2", 80), Server("10.8.0.3", 80)
NAMED = Server("a.example", 80)
GROUP = Group((A, B))


def table(*servers: Server, families: tuple[int, ...] = (4,)) -> Table:
    return Table({"api": Group(servers)}, ("10.8.0.1",), families)


@pytest.mark.parametrize(
    ("text", "families", "address"),
    [
        ("10.1.2.3", (4,), "10.1.2.3"),
        ("FD00:0::1", (6,), "fd00::1"),
        ("fd00::1", (4,), None),
        ("127.0.0.1", (4,), None),
        ("127.8.8.8", (4,), None),
        ("::1", (6,), None),
        ("::ffff:127.0.0.1", (6,), None),
        ("::ffff:10.1.2.3", (6,), None),
        ("169.254.169.254", (4,), None),
        ("fe80::1", (6,), None),
        ("fd00::1%eth0", (6,), None),
        ("0.0.0.0", (4,), None),  # noqa: S104
        ("224.0.0.1", (4,), None),
        ("255.255.255.255", (4,), None),
        ("10.1.2.3; } server { listen 81", (4,), None),
        ("10.1.2.3\n", (4,), None),
        ("", (4,), None),
        (167838211, (4,), None),
        (None, (4,), None),
    ],
)
def test_only_an_address_that_a_server_can_have_is_trusted(text: Any, families: tuple[int, ...], address: str) -> None:
    assert trusted(text, families) == address


def test_a_group_is_written_with_what_is_known() -> None:
    group = Group((Server("10.8.0.2", 80, "weight=3"), NAMED, Server("fd00::2", 81, "", backup=True)))
    assert server_lines(group, {"a.example": ["10.1.0.2", "10.1.0.1"]}, {"10.1.0.1:80"}).splitlines() == [
        "server 10.8.0.2:80 max_fails=0 weight=3;",
        "server 10.1.0.2:80 max_fails=0; # a.example",
        "server 10.1.0.1:80 max_fails=0 down; # a.example",
        "server [fd00::2]:81 max_fails=0 backup;",
    ]


@pytest.mark.parametrize("servers", [(NAMED,), (NAMED, Server("10.8.0.2", 80, backup=True))])
def test_nginx_always_has_a_server_to_start_with(servers: tuple[Server, ...]) -> None:
    lines = server_lines(Group(servers), {}).splitlines()
    assert lines[:2] == ["# a.example: no address is known", "server 0.0.0.0:1 down;"]
    assert len(lines) == 1 + len(servers)


def test_an_address_that_two_names_have_is_one_server() -> None:
    group = Group((NAMED, Server("b.example", 80), Server("10.1.0.1", 80)))
    found = endpoints(group, {"a.example": ["10.1.0.1"], "b.example": ["10.1.0.1", "10.1.0.2"]})
    assert [str(endpoint) for endpoint in found] == ["10.1.0.1:80", "10.1.0.2:80"]


def test_a_server_is_down_after_so_many_troubles_in_a_row_and_up_after_so_many_answers() -> None:
    standing, health = Standing(), Health(failures=3, successes=2)
    said = [standing.heard(trouble, health) for trouble in ("x", "x", "", "x", "x", "x", "", "x", "", "")]
    assert said == ["", "", "", "", "", "is down: x, 3 times in a row", "", "", "", "is up again"]


def test_never_are_all_servers_of_a_group_down() -> None:
    live = endpoints(GROUP, {})
    assert down_of(live, {"10.8.0.2:80": Standing(up=False), "10.8.0.3:80": Standing()}) == {"10.8.0.2:80"}
    assert down_of(live, {"10.8.0.2:80": Standing(up=False), "10.8.0.3:80": Standing(up=False)}) == set()


def test_a_name_is_asked_for_again_by_its_time_to_live() -> None:
    name = Name()
    assert name.found(["10.1.0.2", "10.1.0.1"], 60, 1000) == "is 10.1.0.1, 10.1.0.2"
    assert 1060 <= name.due <= 1066
    assert name.found(["10.1.0.1", "10.1.0.2"], 0, 1000) == ""
    assert 1005 <= name.due <= 1005.5, "not more often than every five seconds"
    assert name.found(["10.1.0.3"], 86400 * 7, 1000) == "is 10.1.0.3, was 10.1.0.1, 10.1.0.2"
    assert 4600 <= name.due <= 4960, "not less often than every hour"


def test_of_a_name_with_very_many_addresses_always_the_same_are_used() -> None:
    name, many = Name(), [f"10.1.0.{number}" for number in range(1, 60)]
    name.found(many, 60, 0)
    assert len(name.addresses) == MOST_ADDRESSES
    assert name.found(many[::-1], 60, 0) == ""


def test_a_silent_resolver_takes_no_address_away_and_an_unknown_name_only_after_a_while() -> None:
    name = Name(("10.1.0.1",))
    assert name.failed("no resolver answers", False, 0) == "no resolver answers: 10.1.0.1 still used"
    assert [name.failed("no resolver answers", False, 0) for _ in range(9)] == [""] * 9
    said = [name.failed("does not exist in DNS", True, 0) for _ in range(3)]
    assert said == [
        "does not exist in DNS: 10.1.0.1 still used",
        "",
        "does not exist in DNS: 10.1.0.1 not used any more",
    ]
    assert name.addresses == ()


def test_reloads_are_few_in_the_long_run() -> None:
    pace, now, times = Pace(), 0.0, []
    while now < 600:
        if not pace.wait(now):
            pace.done(now)
            times.append(now)
        now += 0.5
    assert times[:5] == [0, 2, 4, 6, 8], "a few at once"
    assert len(times) < 26, "and two a minute"


def test_a_server_that_is_alone_is_not_asked_and_those_of_a_name_with_several_addresses_are() -> None:
    watch = Watch(table(NAMED), {}, print)
    assert list(watch.due(0)) == [("name", "a.example")]
    assert list(watch.due(0)) == [], "one question at a time"
    watch.answered(("name", "a.example"), (["10.1.0.1"], 60), 0)
    assert list(watch.due(1)) == []
    watch.answered(("name", "a.example"), (["10.1.0.1", "10.1.0.2"], 60), 2)
    assert sorted(watch.due(3)) == [("server", "api", "10.1.0.1:80"), ("server", "api", "10.1.0.2:80")]
    watch.answered(("name", "a.example"), (["10.1.0.1"], 60), 4)
    watch.due(5)
    watch.answered(("server", "api", "10.1.0.2:80"), "refused", 5)
    assert json.loads(watch.wanted()) == {"api": {"addresses": {"a.example": ["10.1.0.1"]}, "down": []}}


def test_what_was_remembered_is_looked_at_like_anything_from_outside() -> None:
    watch = Watch(table(NAMED), {"a.example": ["10.1.0.1", "127.0.0.1", 7, "x; }"], "other": ["10.1.0.9"]}, print)
    assert watch.addresses == {"a.example": ("10.1.0.1",)}
    assert Watch(table(NAMED), {"a.example": "10.1.0.1"}, print).addresses == {}


def test_the_journal_says_what_changed_and_nothing_twice() -> None:
    said: list[str] = []
    watch = Watch(table(A, B), {}, said.append)
    for moment in range(0, 12, 2):
        for key in watch.due(moment):
            watch.answered(key, "connection refused" if key[2].startswith("10.8.0.2") else "", moment)
    assert said == ["api: 10.8.0.2:80 is down: connection refused, 3 times in a row"]


HOSTILE: list[Any] = [
    None,
    [],
    "x",
    {"api": []},
    {"api": {"addresses": [], "down": {}}},
    {"api": {"addresses": {"a.example": "10.1.0.1"}, "down": [["x"]]}},
    {"api": {"addresses": {"a.example": ["127.0.0.1", "x; } server { listen 81; }", {}]}, "down": ["; }"]}},
    {"api": {"addresses": {"other.example": ["10.1.0.1"]}, "down": ["10.1.0.1:80"]}, "../../etc/x": {}},
    {"api": {"addresses": {"a.example": ["10.1.0.1"] * 5000}, "down": []}},
]


@pytest.mark.parametrize("wanted", HOSTILE)
def test_whatever_the_watcher_writes_only_declared_servers_and_addresses_reach_nginx(wanted: Any) -> None:
    found = texts(table(NAMED, A), wanted)
    assert list(found) == ["api"]
    words = {
        "# a.example: no address is known",
        "server 10.1.0.1:80 max_fails=0; # a.example",
        "server 10.8.0.2:80 max_fails=0;",
    }
    assert set(found["api"].splitlines()) <= words


def test_root_takes_no_link_no_pipe_and_no_endless_file(tmp_path: Path) -> None:
    secret, link, pipe, large = (tmp_path / name for name in ("secret", "link", "pipe", "large"))
    secret.write_text("{}")
    link.symlink_to(secret)
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(1 << 30)
    for path in (link, pipe, large):
        with pytest.raises((OSError, ValueError)):
            read_wanted(path)
    assert read_wanted(secret) == {}


def test_what_nginx_refuses_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "api.conf").write_text("server 10.8.0.9:80;\n")
    said: list[str] = []
    assert not apply(table(A, B), {}, tmp_path, lambda: "nginx: [emerg] no", said.append)
    assert (tmp_path / "api.conf").read_text() == "server 10.8.0.9:80;\n"
    assert said == ["nginx refuses the servers of api, and keeps what it had: nginx: [emerg] no"]


def test_nginx_is_left_alone_where_nothing_changed(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(3):
        assert apply(table(A, B), {}, tmp_path, str, said.append)
    assert said == ["nginx has read the servers of api"]


def test_the_guest_is_told_what_the_settings_say() -> None:
    servers = [{"address": "10.8.0.2:8080", "weight": 2}, {"address": "b.example:8081", "backup": True}]
    group = {"servers": servers, "health": {"path": "/alive", "failures": 5}, "tls": {"serverName": "in.example"}}
    documents = seed_documents(guest(), gateway(upstreams={"api": group}), PLATFORMS["debian-13"])
    told = parse(documents.files[PATHS.watched].content)
    assert told.resolvers == ("10.8.0.1",)
    assert told.groups["api"].servers == (
        Server("10.8.0.2", 8080, "weight=2"),
        Server("b.example", 8081, "", backup=True),
    )
    health = Health(2, 5, 2, "/alive", "api.example.test", "in.example", "/etc/ssl/certs/ca-certificates.crt")
    assert told.groups["api"].health == health
    listed = documents.files[f"{PATHS.declared_upstreams}/api.conf"].content
    assert listed == server_lines(told.groups["api"], {})
    assert 'fail "python3-dnspython is not installed' in documents.files[PATHS.boot].content


def test_a_group_of_one_address_is_static_and_brings_no_program() -> None:
    documents = seed_documents(
        guest(resolvers=[]), gateway(upstreams={"api": {"servers": ["10.8.0.2:8080"]}}), PLATFORMS["debian-13"]
    )
    assert not [path for path in documents.files if "upstreams" in path and path != f"{PATHS.nginx}/upstreams.conf"]
    assert "server 10.8.0.2:8080 max_fails=0;\n" in documents.files[f"{PATHS.nginx}/upstreams.conf"].content
    assert "nordgate-upstreams" not in documents.files[PATHS.boot].content


def test_what_nginx_was_not_given_is_written_again(tmp_path: Path) -> None:
    """As when a change comes while the one before is being applied."""
    wanted_file, lists = tmp_path / "wanted.json", tmp_path / "lists"
    lists.mkdir()
    both, one = '{"api": {}}', '{"api": {"down": ["10.8.0.2:80"]}}'
    apply(table(A, B), json.loads(both), lists, str, lambda _: None)
    publisher = Publisher(table(A, B), wanted_file, lists)
    assert publisher.offer(both, 0) == float("inf")
    assert not wanted_file.exists(), "nginx has started with it"
    assert publisher.offer(one, 100) == 10
    assert publisher.offer(both, 100.5) == 1.5, "not so soon"
    publisher.offer(both, 102)
    assert wanted_file.read_text() == both, "written, though nginx may still have it: the other one is on its way"
    apply(table(A, B), json.loads(one), lists, str, lambda _: None)
    wanted_file.unlink()
    assert publisher.offer(both, 105) == 7
    publisher.offer(both, 112)
    assert wanted_file.read_text() == both
    apply(table(A, B), json.loads(both), lists, str, lambda _: None)
    assert publisher.offer(both, 125) == float("inf")
