<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output omit-xml-declaration="yes" indent="yes"/>
  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>

  <!-- A derived UUID: a define after a failed start meets its own domain again. -->
  <xsl:template match="/domain/uuid"/>
  <xsl:template match="/domain/name">
    <xsl:copy-of select="."/>
    <uuid>{{ machine.uuid }}</uuid>
  </xsl:template>

  <xsl:template match="/domain/vcpu">
    <vcpu placement="static">{{ machine.vcpus }}</vcpu>
{% if profile.iothreads %}
    <iothreads>{{ profile.iothreads }}</iothreads>
{% endif %}
{% if pinning %}
    <cputune>
{% for core in pinning.cpus %}
      <vcpupin vcpu="{{ loop.index0 }}" cpuset="{{ core }}"/>
{% endfor %}
      <emulatorpin cpuset="{{ cpuset(pinning.emulator) }}"/>
{% for thread in range(profile.iothreads) %}
      <iothreadpin iothread="{{ thread + 1 }}" cpuset="{{ cpuset(pinning.iothreads) }}"/>
{% endfor %}
    </cputune>
    <numatune>
      <memory mode="strict" nodeset="{{ pinning.node }}"/>
    </numatune>
{% endif %}
{% if page_kib or profile.locked_memory or not profile.share_pages %}
    <memoryBacking>
{% if page_kib %}
      <hugepages>
        <page size="{{ page_kib }}" unit="KiB"/>
      </hugepages>
{% endif %}
{% if not profile.share_pages %}
      <nosharepages/>
{% endif %}
{% if profile.locked_memory %}
      <locked/>
{% endif %}
    </memoryBacking>
{% endif %}
  </xsl:template>

{% if profile.require_aes %}
  <!-- Unchecked, a processor without a required feature is only warned of in QEMU's log. -->
{% endif %}
  <xsl:template match="/domain/cpu">
    <cpu mode="{{ profile.cpu_mode }}" check="{{ machine.cpu_check }}"{% if profile.cpu_mode == "host-passthrough" %} migratable="off"{% endif %}>
      <topology sockets="1" cores="{{ machine.cores }}" threads="{{ profile.threads_per_core }}"/>
{% if profile.require_aes %}
      <feature policy="require" name="aes"/>
{% endif %}
{% for feature in profile.disabled_cpu_features %}
      <feature policy="disable" name="{{ feature }}"/>
{% endfor %}
    </cpu>
  </xsl:template>

  <!-- By path: AppArmor's rules for a guest are made from paths, and follow an overlay's chain from there. -->
  <xsl:template match="/domain/devices/disk/@type[. = 'volume']">
    <xsl:attribute name="type">file</xsl:attribute>
  </xsl:template>
  <xsl:template match="/domain/devices/disk/source[@volume]">
    <source file="{{ machine.pool_path }}/{@volume}"/>
  </xsl:template>

  <!-- The provider cannot set drivers; raw for data, qcow2 for the overlay of the image. -->
{% for disk in (1, 2) %}
{% set threads = machine.disk_iothreads(disk) %}
  <xsl:template match="/domain/devices/disk[@device='disk'][{{ disk }}]/driver">
    <driver name="qemu" type="{@type}" cache="{{ profile.disk_cache }}" io="{{ profile.disk_io }}" discard="{{ profile.disk_discard }}" queues="{{ machine.disk_queues }}"{% if threads and not profile.iothread_mapping %} iothread="{{ threads[0] }}"{% endif %}>
{% if profile.iothread_mapping %}
      <iothreads>
{% for thread in threads %}
        <iothread id="{{ thread }}"/>
{% endfor %}
      </iothreads>
{% endif %}
    </driver>
  </xsl:template>
{% endfor %}
{% set place = machine.boot_place("root") %}
{% if place %}
  <xsl:template match="/domain/devices/disk[@device='disk'][1]/target">
    <xsl:copy-of select="."/>
    <boot order="{{ place }}"/>
  </xsl:template>
{% endif %}
  <xsl:template match="/domain/devices/disk[@device='disk'][2]/target">
    <xsl:copy-of select="."/>
    <serial>{{ machine.data_serial }}</serial>
  </xsl:template>

  <!-- The seed is read and never written. -->
  <xsl:template match="/domain/devices/disk[@device='disk'][3]/target">
    <xsl:copy-of select="."/>
    <readonly/>
    <serial>{{ machine.seed_serial }}</serial>
  </xsl:template>

{% if machine.open_vswitch %}
  <!-- The provider knows bridges of Linux only. -->
  <xsl:template match="/domain/devices/interface/source">
    <xsl:copy-of select="."/>
    <virtualport type="openvswitch"/>
  </xsl:template>

{% endif %}
  <xsl:template match="/domain/devices/interface/model">
    <xsl:copy-of select="."/>
    <driver name="{{ profile.network_backend }}" queues="{{ machine.network_queues }}"/>
{% set place = machine.boot_place("network") %}
{% if place %}
    <boot order="{{ place }}"/>
{% endif %}
  </xsl:template>

  <!-- What the kernel says before anything else can speak: kept on the hypervisor. The provider leaves out the type. -->
  <xsl:template match="/domain/devices/console">
    <console type="pty">
      <log file="{{ machine.console_log }}" append="off"/>
      <xsl:apply-templates select="node()"/>
    </console>
  </xsl:template>

  <!-- A gateway has no screen, no USB and a fixed amount of memory. -->
  <xsl:template match="/domain/devices/graphics"/>
  <xsl:template match="/domain/devices/video"/>
  <xsl:template match="/domain/devices">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
{% if pci %}
      <!-- A whole controller, as a device of PCI: the provider fails on disks that are not files or volumes. -->
      <hostdev mode="subsystem" type="pci" managed="yes">
        <source>
          <address domain="0x{{ pci.domain }}" bus="0x{{ pci.bus }}" slot="0x{{ pci.slot }}" function="0x{{ pci.function }}"/>
        </source>
      </hostdev>
{% endif %}
      <controller type="usb" model="none"/>
      <memballoon model="none"/>
    </xsl:copy>
  </xsl:template>
</xsl:stylesheet>
