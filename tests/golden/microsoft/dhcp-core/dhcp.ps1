# dhcp-core: written by coexist from the inventory of campus-nord; change it there.
#Requires -Modules DhcpServer
$ErrorActionPreference = 'Stop'

# General
Set-DhcpServerSetting -ConflictDetectionAttempts 0

# Option definitions

# Classes

# Who is not answered

# VLAN office
if (Get-DhcpServerv4Scope -ScopeId '10.10.0.0' -ErrorAction SilentlyContinue) { Set-DhcpServerv4Scope -ScopeId '10.10.0.0' -Name 'office' -StartRange '10.10.1.0' -EndRange '10.10.9.255' -State 'Active' } else { Add-DhcpServerv4Scope -Name 'office' -StartRange '10.10.1.0' -EndRange '10.10.9.255' -SubnetMask '255.255.0.0' -State 'Active' }
Set-DhcpServerv4Scope -ScopeId '10.10.0.0' -LeaseDuration ([TimeSpan]::FromSeconds(43200))
Get-DhcpServerv4ExclusionRange -ScopeId '10.10.0.0' | Where-Object { "$($_.StartRange)-$($_.EndRange)" -notin @() } | Remove-DhcpServerv4ExclusionRange
Get-DhcpServerv4Policy -ScopeId '10.10.0.0' | Where-Object Name -Like 'coexist *' | Remove-DhcpServerv4Policy
Set-DhcpServerv4OptionValue -ScopeId '10.10.0.0' -OptionId 3 -Value '10.10.0.1' -Force
Set-DhcpServerv4OptionValue -ScopeId '10.10.0.0' -OptionId 6 -Value '10.10.0.5' -Force

# VLAN workshop
if (Get-DhcpServerv4Scope -ScopeId '10.20.0.0' -ErrorAction SilentlyContinue) { Set-DhcpServerv4Scope -ScopeId '10.20.0.0' -Name 'workshop' -StartRange '10.20.1.0' -EndRange '10.20.4.255' -State 'Active' } else { Add-DhcpServerv4Scope -Name 'workshop' -StartRange '10.20.1.0' -EndRange '10.20.4.255' -SubnetMask '255.255.0.0' -State 'Active' }
Set-DhcpServerv4Scope -ScopeId '10.20.0.0' -LeaseDuration ([TimeSpan]::FromSeconds(43200))
Get-DhcpServerv4ExclusionRange -ScopeId '10.20.0.0' | Where-Object { "$($_.StartRange)-$($_.EndRange)" -notin @() } | Remove-DhcpServerv4ExclusionRange
Get-DhcpServerv4Policy -ScopeId '10.20.0.0' | Where-Object Name -Like 'coexist *' | Remove-DhcpServerv4Policy
Set-DhcpServerv4OptionValue -ScopeId '10.20.0.0' -OptionId 3 -Value '10.20.0.1' -Force
Set-DhcpServerv4OptionValue -ScopeId '10.20.0.0' -OptionId 6 -Value '10.10.0.5' -Force

# VLAN voice
if (Get-DhcpServerv4Scope -ScopeId '10.30.0.0' -ErrorAction SilentlyContinue) { Set-DhcpServerv4Scope -ScopeId '10.30.0.0' -Name 'voice' -StartRange '10.30.1.0' -EndRange '10.30.4.255' -State 'Active' } else { Add-DhcpServerv4Scope -Name 'voice' -StartRange '10.30.1.0' -EndRange '10.30.4.255' -SubnetMask '255.255.0.0' -State 'Active' }
Set-DhcpServerv4Scope -ScopeId '10.30.0.0' -LeaseDuration ([TimeSpan]::FromSeconds(43200))
Get-DhcpServerv4ExclusionRange -ScopeId '10.30.0.0' | Where-Object { "$($_.StartRange)-$($_.EndRange)" -notin @() } | Remove-DhcpServerv4ExclusionRange
Get-DhcpServerv4Policy -ScopeId '10.30.0.0' | Where-Object Name -Like 'coexist *' | Remove-DhcpServerv4Policy
Set-DhcpServerv4OptionValue -ScopeId '10.30.0.0' -OptionId 3 -Value '10.30.0.1' -Force
Set-DhcpServerv4OptionValue -ScopeId '10.30.0.0' -OptionId 6 -Value '10.10.0.5' -Force
Add-DhcpServerv4Policy -ScopeId '10.30.0.0' -Name 'coexist 1' -Condition 'AND' -ProcessingOrder 1 -Description 'rule 1: phones' -MacAddress 'EQ','001565*','805EC0*'
Set-DhcpServerv4OptionValue -ScopeId '10.30.0.0' -PolicyName 'coexist 1' -OptionId 66 -Value 'https://voip.example/provision' -Force
