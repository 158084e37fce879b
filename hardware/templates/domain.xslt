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
    <uuid>{{ uuid }}</uuid>
  </xsl:template>

  <xsl:template match="/domain/cpu">
    <cpu mode="{{ profile.cpu_mode }}" check="none"{% if profile.cpu_mode == "host-passthrough" %} migratable="off"{% endif %}>
      <topology sockets="1" cores="{{ vcpus }}" threads="1"/>
{% if profile.require_aes %}
      <feature policy="require" name="aes"/>
{% endif %}
{% for feature in profile.disabled_cpu_features %}
      <feature policy="disable" name="{{ feature }}"/>
{% endfor %}
    </cpu>
  </xsl:template>

  <!-- The provider cannot set drivers; raw for data, qcow2 for the overlay of the image. -->
  <xsl:template match="/domain/devices/disk[@device='disk']/driver">
    <driver name="qemu" type="{@type}" cache="{{ profile.disk_cache }}" io="{{ profile.disk_io }}" discard="unmap"/>
  </xsl:template>
  <xsl:template match="/domain/devices/disk[@device='disk'][2]/target">
    <xsl:copy-of select="."/>
    <serial>{{ data_serial }}</serial>
  </xsl:template>

  <!-- The seed is read and never written. -->
  <xsl:template match="/domain/devices/disk[@device='disk'][3]/target">
    <xsl:copy-of select="."/>
    <readonly/>
    <serial>{{ seed_serial }}</serial>
  </xsl:template>

  <!-- What the kernel says before anything else can speak: kept on the hypervisor. -->
  <xsl:template match="/domain/devices/console">
    <xsl:copy>
      <xsl:apply-templates select="@*"/>
      <log file="{{ console_log }}" append="off"/>
      <xsl:apply-templates select="node()"/>
    </xsl:copy>
  </xsl:template>

  <!-- A gateway has no screen, no USB and a fixed amount of memory. -->
  <xsl:template match="/domain/devices/graphics"/>
  <xsl:template match="/domain/devices/video"/>
  <xsl:template match="/domain/devices">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
{% if seed_bus == "scsi" %}
      <controller type="scsi" model="virtio-scsi"/>
{% endif %}
      <controller type="usb" model="none"/>
      <memballoon model="none"/>
    </xsl:copy>
  </xsl:template>
</xsl:stylesheet>
