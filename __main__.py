"""Wiring: the stack's settings -> the preflight of its hosts -> its region -> what it exports."""

from pathlib import Path

import pulumi

from components.region import Region, RegionArgs
from operations.preflight import doubts, failures, preflight, summary
from stacks.image import declared, verify
from stacks.load import load_config, stack_file
from stacks.problems import SettingsError

project, stack = Path.cwd(), pulumi.get_stack()
try:
    settings = load_config(pulumi.runtime.config.CONFIG.get() or pulumi.runtime.config.get_config_env(), stack)
    image = declared(settings.image, project, str(stack_file(stack)))
    if not pulumi.runtime.is_dry_run():
        verify(image, project, str(stack_file(stack)), lambda text: pulumi.log.info(text, ephemeral=True))
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None

report = preflight(stack, settings, image, project, boot=not pulumi.runtime.is_dry_run())
if failures(report):
    raise pulumi.RunError(summary(stack, report))
if doubts(report):
    pulumi.log.warn(summary(stack, report))

region = Region(settings.region, RegionArgs(stack, settings, image))

pulumi.export("urls", {name: gateway.url for name, gateway in region.gateways.items()})
pulumi.export("addresses", {name: str(gateway.address) for name, gateway in settings.gateways.items()})
pulumi.export("image", image.checksum)
pulumi.export("smoke", {name: gateway.smoke.result for name, gateway in region.gateways.items()})
