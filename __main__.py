"""Wiring: the stack's settings -> its region -> what it exports."""

from pathlib import Path

import pulumi

from components.region import Region, RegionArgs
from stacks.design import describe, versions
from stacks.files import stack_file
from stacks.image import declared, verify
from stacks.load import load_config
from stacks.problems import SettingsError

project, stack = Path.cwd(), pulumi.get_stack()
try:
    config = pulumi.runtime.config.CONFIG.get() or pulumi.runtime.config.get_config_env()
    settings = load_config(config, stack, project)
    image = declared(settings.image, project, str(stack_file(stack)))
    if not pulumi.runtime.is_dry_run():
        verify(image, project, str(stack_file(stack)))
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None

region = Region(settings.region, RegionArgs(stack, settings, image))

pulumi.export("urls", {name: gateway.url for name, gateway in region.gateways.items()})
pulumi.export("addresses", {name: str(gateway.address) for name, gateway in settings.gateways.items()})
pulumi.export("region", describe(settings))
pulumi.export("versions", versions())
pulumi.export("image", image.sha256)
pulumi.export("smoke", {name: gateway.smoke.result for name, gateway in region.gateways.items()})
