<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output omit-xml-declaration="yes" indent="yes"/>
  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>
  <xsl:template match="/{{ element }}/uuid"/>
  <xsl:template match="/{{ element }}/name">
    <xsl:copy-of select="."/>
    <uuid>{{ uuid }}</uuid>
  </xsl:template>
{% if element == "network" %}
  <!-- Addresses are declared and names come from elsewhere: no dnsmasq. -->
  <xsl:template match="/network/dns|/network/ip/dhcp"/>
  <xsl:template match="/network/ip[1]">
    <dns enable="no"/>
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>
{% endif %}
</xsl:stylesheet>
