"""The Pulumi program: settings -> designs of the gateways -> preflight of the hosts -> region -> outputs."""

from pathlib import Path

import pulumi

from components.region import Region, RegionArgs
from nordgate.deployment.image_download import verify
from nordgate.deployment.invocation import refuse_parts
from nordgate.deployment.observe import observe_gateways, rebuild, undeclared
from nordgate.deployment.seed_files import write_seed
from nordgate.design.gateway_design import describe, design, versions
from nordgate.design.image import declared
from nordgate.errors import NordgateError
from nordgate.preflight.preflight import failures, has_unknown, preflight, summary
from nordgate.settings.loader import load_config
from nordgate.settings.production_rules import told, warnings
from nordgate.settings.stack_files import stack_file

project, stack = Path.cwd(), pulumi.get_stack()
try:
    refuse_parts()
    config = pulumi.runtime.config.CONFIG.get() or pulumi.runtime.config.get_config_env()
    encrypted = [key for key in config if pulumi.runtime.is_config_secret(key)]
    settings = load_config(config, stack, project, encrypted)
    for warning in warnings(stack, settings):
        pulumi.log.warn(told(warning))
    image = declared(settings.image, project, str(stack_file(stack)))
    if not pulumi.runtime.is_dry_run():
        verify(image, project, str(stack_file(stack)), lambda text: pulumi.log.info(text, ephemeral=True))
    designs = {name: design(settings, stack, name, image.checksum) for name in settings.gateways}
    report = preflight(stack, settings, image, designs.values(), project, boot=not pulumi.runtime.is_dry_run())
    if failures(report):
        raise pulumi.RunError(summary(stack, report))
    if has_unknown(report):
        pulumi.log.warn(summary(stack, report))
    present, others, anew = observe_gateways(settings, designs), undeclared(settings, stack), rebuild(designs)
    for name, found in present.items():
        if found.differs and name not in anew:
            said = "; ".join(found.differs)
            pulumi.log.warn(f"{name} is not what was declared, so it is proved again: {said}. See docs/operations.md.")
except NordgateError as error:
    raise pulumi.RunError(str(error)) from None

region = Region(
    settings.region,
    RegionArgs(
        stack,
        settings,
        image,
        designs=designs,
        seed_disks={name: write_seed(found, project) for name, found in designs.items()},
        present=present,
        undeclared=others,
        rebuild=anew,
    ),
)

pulumi.export("urls", {name: gateway.url for name, gateway in region.gateways.items()})
pulumi.export("addresses", {name: str(gateway.address) for name, gateway in settings.gateways.items()})
pulumi.export("region", describe(settings))
pulumi.export("versions", versions(settings))
pulumi.export("image", image.checksum)
pulumi.export("smoke", {name: gateway.smoke.result for name, gateway in region.gateways.items()})
pulumi.export("history", region.history)
