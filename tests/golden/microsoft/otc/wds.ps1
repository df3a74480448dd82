# otc: written by coexist from the inventory of campus-nord; change it there.
$ErrorActionPreference = 'Stop'

function Invoke-Wdsutil {
    & 'wdsutil.exe' @args
    if ($LASTEXITCODE -ne 0) { throw "wdsutil.exe $args ended with $LASTEXITCODE" }
}

# A computer that is prestaged already gets its address again.
function Add-Device {
    & 'wdsutil.exe' '/Add-Device' @args
    if ($LASTEXITCODE -ne 0) { Invoke-Wdsutil '/Set-Device' @args }
}

# Whom it answers, and when
Invoke-Wdsutil '/Set-Server' '/AnswerClients:Known'
Invoke-Wdsutil '/Set-Server' '/ResponseDelay:0'

# Boot programs
wdsutil.exe '/Set-Server' '/BootProgram:boot\x64\wdsnbp.com' '/Architecture:x86'
wdsutil.exe '/Set-Server' '/BootProgram:boot\x64\wdsnbp.com' '/Architecture:x64'
wdsutil.exe '/Set-Server' '/BootProgram:boot\x64\wdsmgfw.efi' '/Architecture:x64uefi'

# Prestaged computers
Add-Device '/Device:tc-reception-1' '/ID:00-80-64-10-00-01'
Add-Device '/Device:tc-reception-2' '/ID:00-80-64-10-00-02'
Add-Device '/Device:tc-sales-1' '/ID:00-80-64-10-00-03'
Add-Device '/Device:tc-sales-2' '/ID:00-80-64-10-00-04'
Add-Device '/Device:tc-sales-3' '/ID:00-80-64-10-00-05'
Add-Device '/Device:tc-workshop-3' '/ID:00-80-64-10-00-06'
Add-Device '/Device:tc-billing-1' '/ID:6C-2B-59-20-00-01'
Add-Device '/Device:tc-billing-2' '/ID:6C-2B-59-20-00-02'
Add-Device '/Device:tc-billing-3' '/ID:6C-2B-59-20-00-03'
Add-Device '/Device:tc-workshop-1' '/ID:6C-2B-59-20-00-04'
Add-Device '/Device:tc-workshop-2' '/ID:6C-2B-59-20-00-05'
