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
    <uuid>f17cc915-7f88-5ed6-867f-aff83ab9d1e1</uuid>
  </xsl:template>

  <xsl:template match="/domain/cpu">
    <cpu mode="host-passthrough" check="none" migratable="off">
      <topology sockets="1" cores="4" threads="1"/>
      <feature policy="require" name="aes"/>
    </cpu>
  </xsl:template>

  <!-- The provider cannot set drivers; raw for data, qcow2 for the overlay of the image. -->
  <xsl:template match="/domain/devices/disk[@device='disk']/driver">
    <driver name="qemu" type="{@type}" cache="none" io="native" discard="unmap"/>
  </xsl:template>
  <xsl:template match="/domain/devices/disk[@device='disk'][2]/target">
    <xsl:copy-of select="."/>
    <serial>nordgate-data</serial>
  </xsl:template>

  <!-- q35 has no IDE, which the provider hard-codes. The device stays a CD-ROM, or every preview shows a change. -->
  <xsl:template match="/domain/devices/disk[@device='cdrom']/target">
    <target dev="sda" bus="sata"/>
  </xsl:template>

  <!-- What the kernel says before anything else can speak: kept on the hypervisor. -->
  <xsl:template match="/domain/devices/console">
    <xsl:copy>
      <xsl:apply-templates select="@*"/>
      <log file="/var/log/libvirt/qemu/oslo-gw2.log" append="off"/>
      <xsl:apply-templates select="node()"/>
    </xsl:copy>
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