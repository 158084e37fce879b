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
  </xsl:template>

  <!-- Unchecked, a processor without a required feature is only warned of in QEMU's log. -->
  <xsl:template match="/domain/cpu">
    <cpu mode="maximum" check="full">
      <topology sockets="1" cores="4" threads="1"/>
      <feature policy="require" name="aes"/>
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
    <driver name="qemu" type="{@type}" cache="unsafe" io="threads" discard="unmap" queues="4">
    </driver>
  </xsl:template>
  <xsl:template match="/domain/devices/disk[@device='disk'][2]/driver">
    <driver name="qemu" type="{@type}" cache="unsafe" io="threads" discard="unmap" queues="4">
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
    <driver name="qemu" queues="4"/>
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
      <controller type="usb" model="none"/>
      <memballoon model="none"/>
    </xsl:copy>
  </xsl:template>
</xsl:stylesheet>