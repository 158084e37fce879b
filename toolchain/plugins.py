"""Step 4: the resource plugins: built here, or the published ones if PLUGINS=official asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nordgate.console import phase
from toolchain import contents, go, pulumi
from toolchain.paths import PULUMI_HOME, official_plugins, pulumi_environment
from toolchain.work import run, workshop


@dataclass(frozen=True)
class Plugin:
    """A plugin under the version that its Python SDK asks the engine for."""

    name: str
    version: str
    program: go.Program

    @property
    def installed(self) -> Path:
        """Where Pulumi keeps it."""
        return PULUMI_HOME / "plugins" / f"resource-{self.name}-v{self.version}" / f"pulumi-resource-{self.name}"

    def mark(self) -> str:
        """What it is made from."""
        return "official" if official_plugins() else self.program.fingerprint()


PLUGINS = (
    Plugin("libvirt", "0.5.4", go.Program("libvirt-plugin", ".", "Pulumi's libvirt plugin", usually="2 min")),
    Plugin("command", "1.2.1", go.Program("command-plugin", ".", "Pulumi's command plugin", usually="40 s")),
)


def ready() -> bool:
    """Whether the plugins that were asked for are there."""
    return all(_current(plugin) for plugin in PLUGINS)


def ensure() -> None:
    """Build and install the plugins that are outdated."""
    for plugin in PLUGINS:
        if _current(plugin):
            continue
        contents.say_why(*_product(plugin))
        if official_plugins():
            with phase(f"Download Pulumi's {plugin.name} plugin {plugin.version}"):
                _install(plugin)
        else:
            with workshop() as folder:
                made = folder / plugin.installed.name
                go.build(plugin.program, made)
                _install(plugin, "--file", made)
        contents.keep(*_product(plugin))


def _current(plugin: Plugin) -> bool:
    return plugin.installed.exists() and contents.kept(*_product(plugin))


def _product(plugin: Plugin) -> tuple[str, str, Path]:
    return f"plugin-{plugin.name}", plugin.mark(), plugin.installed.parent


def _install(plugin: Plugin, *source: str | Path) -> None:
    run(
        f"Installing Pulumi's {plugin.name} plugin",
        [pulumi.command(), "plugin", "install", "--reinstall", "resource", plugin.name, plugin.version, *source],
        env=pulumi_environment(),
    )
