"""`make new-region NAME=bergen`: the files of one more region, after the model of one that is there."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from pathlib import Path

from nordgate.errors import NordgateError
from nordgate.settings.loader import load_file
from nordgate.settings.settings_error import SettingsError
from nordgate.settings.stack_files import is_test, region_file, region_names, stack_file, stack_names
from nordgate.settings.stack_settings import Settings
from nordgate.settings.yaml_scalars import meaning

_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
"""So short that NAME-test-GATEWAY is still a name of a guest: 31 characters."""
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_ENTRY = re.compile(r"127\.0\.0\.1:(\d+)")
_SECRETS = re.compile(r"^(encryptionsalt|encryptedkey|secretsprovider):.*\n", re.MULTILINE)


def new_region(project: Path, name: str, like: str) -> list[Path]:
    """Write the region's file and its two stacks', with a network and entries that are free; the paths written.

    Raises NordgateError when the name is taken or is none, or when `like` has no such three files.
    """
    if not _NAME.fullmatch(name) or name.endswith("-test"):
        rule = 'lower-case letters, digits and "-", a letter first, 20 at most, no "-test"'
        raise NordgateError(f'"{name}" is no name for a region: {rule}.')
    if meaning(name) != name:
        raise NordgateError(f'"{name}" is no name for a region: YAML takes the word for something else than text.')
    models = [region_file(like), stack_file(like), stack_file(f"{like}-test")]
    made = [region_file(name), stack_file(name), stack_file(f"{name}-test")]
    for path in made:
        if (project / path).exists():
            raise NordgateError(f"{path} is there already.")
    for path in models:
        if not (project / path).exists():
            raise NordgateError(f"there is no {path} to go by; choose another model with LIKE=")
    everything = [load_file(project, stack) for stack in stack_names(project)]
    before = load_file(project, like).network.cidr
    after = _free_network(before, [settings.network.cidr for settings in everything])
    ports = count(max(_ports(everything), default=8442) + 1)
    for model, path in zip(models, made, strict=True):
        text = _renamed((project / model).read_text(), like, name)
        text = _ADDRESS.sub(lambda found: _moved(found[0], before, after), text)
        text = _ENTRY.sub(lambda _: f"127.0.0.1:{next(ports)}", text)
        # A test stack's are those of the passphrase that all test stacks share.
        (project / path).write_text(text if is_test(path.name.split(".")[1]) else _SECRETS.sub("", text))
    try:
        for stack in (name, f"{name}-test"):
            load_file(project, stack)
    except SettingsError as error:
        for path in made:
            (project / path).unlink()
        raise NordgateError(f"{like} is no model that can be copied as it is:\n{error}") from None
    if name not in region_names(project):
        raise NordgateError(f"{region_file(name)} was not written.")
    return made


def next_steps(name: str, like: str) -> str:
    """What a person does with the new files."""
    return f"""\
Valid as they are. Jurisdiction, time zone, round trips and budgets are still those of {like.title()},
and the names of hosts are made up. When that is mended:

  make check STACK={name}
  .nordgate/venv/bin/python -m pytest tests/render --update-golden    # keep what it puts on its machines, to review it
  make up STACK={name}-test                                           # on a lab of this machine
  pulumi stack init {name} && pulumi up -s {name}"""


def _renamed(text: str, like: str, name: str) -> str:
    text = re.sub(rf"\b{re.escape(like)}\b", name, text)
    # In sentences; not in the name of a time zone.
    return re.sub(rf"(?<!/)\b{re.escape(like.title())}\b", name.title(), text)


def _moved(text: str, before: IPv4Network, after: IPv4Network) -> str:
    """An address of the one network as the same of the other; any other text as it is."""
    try:
        address = IPv4Address(text)
    except ValueError:
        return text
    return str(after[int(address) - int(before[0])]) if address in before else text


def _free_network(model: IPv4Network, taken: list[IPv4Network]) -> IPv4Network:
    """The first of the model's size, 65,536 addresses on or a multiple, that overlaps none."""
    step = max(1 << 16, model.num_addresses)
    for number in count(1):
        try:
            candidate = IPv4Network((int(model[0]) + number * step, model.prefixlen))
        except ValueError:
            break
        if candidate.is_private and not any(candidate.overlaps(other) for other in taken):
            return candidate
        if not candidate.is_private:
            break
    raise NordgateError(f"no private network of the size of {model} is free above it; write the files by hand.")


def _ports(everything: list[Settings]) -> list[int]:
    entries = [gateway.entry for settings in everything for gateway in settings.gateways.values()]
    return [int(entry.rpartition(":")[2]) for entry in entries if entry]
