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
    <uuid>3f6b3a54-3c52-5a7e-9a33-0c4f2bde3a10</uuid>
  </xsl:template>

  <xsl:template match="/domain/vcpu">
    <vcpu placement="static">4</vcpu>
    <iothreads>2</iothreads>
    <cputune>
      <vcpupin vcpu="0" cpuset="4"/>
      <vcpupin vcpu="1" cpuset="5"/>
      <vcpupin vcpu="2" cpuset="6"/>
      <vcpupin vcpu="3" cpuset="7"/>
      <emulatorpin cpuset="0-1"/>
      <iothreadpin iothread="1" cpuset="2-3"/>
      <iothreadpin iothread="2" cpuset="2-3"/>
    </cputune>
    <numatune>
      <memory mode="strict" nodeset="0"/>
    </numatune>
    <memoryBacking>
      <hugepages>
        <page size="2048" unit="KiB"/>
      </hugepages>
      <nosharepages/>
      <locked/>
    </memoryBacking>
  </xsl:template>

  <!-- Unchecked, a processor without a required feature is only warned of in QEMU's log. -->
  <xsl:template match="/domain/cpu">
    <cpu mode="host-passthrough" check="full" migratable="off">
      <topology sockets="1" cores="2" threads="2"/>
      <feature policy="require" name="aes"/>
      <feature policy="disable" name="avx512f"/>
      <feature policy="disable" name="hle"/>
    </cpu>
  </xsl:template>

  <!-- By path: AppArmor's rules for a guest are made from paths, and follow an overlay's chain from there. -->
  <xsl:template match="/domain/devices/disk/@type[. = 'volume']">
    <xsl:attribute name="type">file</xsl:attribute>
  </xsl:template>
  <xsl:template match="/domain/devices/disk/source[@volume]">
    <source file="/srv/pool/{@volume}"/>
  </xsl:template>

  <!-- The provider cannot set drivers; raw for data, qcow2 for the overlay of the image. -->
  <xsl:template match="/domain/devices/disk[@device='disk'][1]/driver">
    <driver name="qemu" type="{@type}" cache="none" io="io_uring" discard="ignore" queues="4">
      <iothreads>
        <iothread id="1"/>
        <iothread id="2"/>
      </iothreads>
    </driver>
  </xsl:template>
  <xsl:template match="/domain/devices/disk[@device='disk'][2]/driver">
    <driver name="qemu" type="{@type}" cache="none" io="io_uring" discard="ignore" queues="4">
      <iothreads>
        <iothread id="1"/>
        <iothread id="2"/>
      </iothreads>
    </driver>
  </xsl:template>
  <xsl:template match="/domain/devices/disk[@device='disk'][1]/target">
    <xsl:copy-of select="."/>
    <boot order="1"/>
  </xsl:template>
  <xsl:template match="/domain/devices/disk[@device='disk'][2]/target">
    <xsl:copy-of select="."/>
    <serial>nordgate-data</serial>
  </xsl:template>

  <!-- The seed is read and never written. -->
  <xsl:template match="/domain/devices/disk[@device='disk'][3]/target">
    <xsl:copy-of select="."/>
    <readonly/>
    <serial>nordgate-seed</serial>
  </xsl:template>

  <xsl:template match="/domain/devices/interface/model">
    <xsl:copy-of select="."/>
    <driver name="vhost" queues="2"/>
    <boot order="2"/>
  </xsl:template>

  <!-- What the kernel says before anything else can speak: kept on the hypervisor. The provider leaves out the type. -->
  <xsl:template match="/domain/devices/console">
    <console type="pty">
      <log file="/logs/gw1.log" append="off"/>
      <xsl:apply-templates select="node()"/>
    </console>
  </xsl:template>

  <!-- A gateway has no screen, no USB and a fixed amount of memory. -->
  <xsl:template match="/domain/devices/graphics"/>
  <xsl:template match="/domain/devices/video"/>
  <xsl:template match="/domain/devices">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      <!-- A whole controller, as a device of PCI: the provider fails on disks that are not files or volumes. -->
      <hostdev mode="subsystem" type="pci" managed="yes">
        <source>
          <address domain="0x0000" bus="0x65" slot="0x00" function="0x0"/>
        </source>
      </hostdev>
      <controller type="usb" model="none"/>
      <memballoon model="none"/>
    </xsl:copy>
  </xsl:template>
</xsl:stylesheet>