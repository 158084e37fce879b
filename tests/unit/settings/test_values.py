"""What the world has is taken. What would do harm is refused, or told to whoever may mean it; no secret is repeated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from nordgate.cli.review.rendered import rendered
from nordgate.design.gateway_design import design
from nordgate.design.image import VerifiedImage
from nordgate.preflight.preflight import demands
from nordgate.settings.host_types import without_secrets
from nordgate.settings.loader import load_file
from nordgate.settings.production_rules import told, warnings
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_files import region_file, stack_file, stack_names
from nordgate.settings.stack_settings import Region
from tests.unit.settings.known import PROJECT, named

OF_REGIONS = {field.alias for field in Region.model_fields.values()}


@dataclass(frozen=True)
class Case:
    """One row of harm.yaml."""

    name: str
    set: str
    to: Any
    said: str = ""
    warned: str = ""
    at: str = ""
    stack: str = "oslo-test"
    also: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return self.at or self.set


WORLD = [Case(**row) for row in yaml.safe_load(Path(__file__).with_name("world.yaml").read_text())]
CASES = [Case(**row) for row in yaml.safe_load(Path(__file__).with_name("harm.yaml").read_text())]


def put(project: Path, stack: str, place: str, value: Any) -> None:
    """Set one value in the file that it belongs in; None takes it out."""
    first, *rest = place.split(".")
    own = first not in OF_REGIONS
    file = project / (stack_file(stack) if own else region_file("oslo"))
    document = yaml.safe_load(file.read_text())
    keys = ["config", f"nordgate:{first}", *rest] if own else [first, *rest]
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    if value is None:
        del inner[keys[-1]]
    file.write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.mark.parametrize("case", [case for case in WORLD if not case.said], ids=named)
def test_what_the_world_has_is_taken_and_can_be_deployed(case: Case, project: Path) -> None:
    for place, value in {case.set: case.to, **case.also}.items():
        put(project, case.stack, place, value)
    settings = load_file(project, case.stack)
    assert rendered(settings, case.stack)
    image = VerifiedImage("a.qcow2", "0" * 64)
    designs = [design(settings, case.stack, name, image.checksum) for name in settings.gateways]
    assert demands(case.stack, settings, image, designs, project)


@pytest.mark.parametrize("case", [case for case in [*CASES, *WORLD] if case.said], ids=named)
def test_harm_is_refused_where_it_stands_and_no_secret_is_repeated(case: Case, project: Path) -> None:
    for place, value in {case.set: case.to, **case.also}.items():
        put(project, case.stack, place, value)
    with pytest.raises(SettingsError) as error:
        load_file(project, case.stack)
    told_of = [line for line in str(error.value).splitlines() if line.strip().startswith(f"{case.place} ")]
    assert len(told_of) == 1, error.value
    assert case.said in told_of[0]
    assert str(error.value).endswith("\n1 problem; nothing was changed.")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("case", [case for case in CASES if case.warned], ids=named)
def test_what_somebody_may_mean_is_told_and_not_refused(case: Case, project: Path) -> None:
    before = warnings(case.stack, load_file(project, case.stack))
    for place, value in {case.set: case.to, **case.also}.items():
        put(project, case.stack, place, value)
    found = [one for one in warnings(case.stack, load_file(project, case.stack)) if one not in before]
    file = region_file("oslo") if case.place.split(".")[0] in OF_REGIONS else stack_file(case.stack)
    assert [(where, place) for where, (place, _) in found] == [(str(file), case.place)]
    assert case.warned in told(found[0])


@pytest.mark.parametrize("stack", stack_names(PROJECT))
def test_the_projects_own_stacks_do_no_harm(stack: str) -> None:
    assert warnings(stack, load_file(PROJECT, stack)) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at qemu+ssh://a:b@h/system: no", "at qemu+ssh://a:…@h/system: no"),
        ("qemu+ssh://a@h/system?keyfile=/k", "qemu+ssh://a@h/system?keyfile=/k"),
        ("qemu+ssh://a:b/c@d@h/system", "qemu+ssh://a:…@h/system"),
        ("https://h/?a=1&api-key=2", "https://h/?a=1&api-key=…"),
        ("https://h/?monkey=1", "https://h/?monkey=1"),
    ],
)
def test_a_message_has_dots_in_place_of_what_lets_somebody_in(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
