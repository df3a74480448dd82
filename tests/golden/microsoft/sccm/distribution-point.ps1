# sccm: written by coexist from the inventory of campus-nord; change it there.
#Requires -Modules ConfigurationManager
$ErrorActionPreference = 'Stop'

# Whom it answers, and when
Set-CMDistributionPoint -SiteSystemServerName 'sccm.campus.example' -SiteCode 'NRD' -AllowPxeResponse $true
Set-CMDistributionPoint -SiteSystemServerName 'sccm.campus.example' -SiteCode 'NRD' -EnableUnknownComputerSupport $true
Set-CMDistributionPoint -SiteSystemServerName 'sccm.campus.example' -SiteCode 'NRD' -PxeServerResponseDelaySec 4

# Whom it ignores
Set-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\SMS\DP' -Name 'MACIgnoreListFile' -Value 'C:\ProgramData\coexist\mac-ignore-list.txt'

# Put to use
Get-Service -Name 'SccmPxe','WDSServer' -ErrorAction SilentlyContinue | Restart-Service
