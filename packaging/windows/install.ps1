# Installs the bundle that this file lies in; the hub's install.ps1 runs it, the enrolment token by standard input.
#   -Hub URL -HubId ID [-Ca FILE] [-Insecure] [-User ROBOT | -Session] [-Name N] [-Slots N] [-Label k=v,...]
# As an administrator with -User: a service, whose bots run in the session of that user. Else: a task at this user's logon.
# Nobody has run it on a real Windows yet: packaging/windows/CHECKLIST.md.
[CmdletBinding()]
param([Parameter(Mandatory)][string]$Hub, [Parameter(Mandatory)][string]$HubId, [string]$Ca, [switch]$Insecure,
    [string]$User, [switch]$Session, [string]$Name, [int]$Slots = 1, [string[]]$Label = @(),
    [Parameter(ValueFromPipeline)][string]$Token)
begin { $said = @() }
process { if ($Token) { $said += $Token } }
end {
    Set-StrictMode -Version 2
    $ErrorActionPreference = 'Stop'
    $token = if ($said) { $said[0] } else { [Console]::In.ReadLine() }
    if (-not $token) { throw 'botyard: no token came; take one from: botyard runner token' }
    $me = New-Object Security.Principal.WindowsPrincipal ([Security.Principal.WindowsIdentity]::GetCurrent())
    $isAdmin = $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
    $asService = $isAdmin -and -not $Session
    if ($asService -and -not $User) { throw 'botyard: say -User NAME, whose session the bots use, or -Session' }
    if ($User -and -not $isAdmin) { throw 'botyard: a service needs an administrator: run PowerShell as one, paste again' }
    # Through -File several arrive as one word.
    $Label = @($Label -split ',' | Where-Object { $_ })
    # Its version and digest: another bundle of the same version is another folder.
    $version = (Get-ChildItem $PSScriptRoot -Directory | Select-Object -First 1).Name
    $base = if ($asService) { Join-Path $env:ProgramFiles 'Botyard\Agent' }
        else { Join-Path $env:LOCALAPPDATA 'Programs\Botyard\Agent' }
    $versions = Join-Path $base 'versions'
    $program = Join-Path $versions $version
    $agentHome = if ($asService) { Join-Path $env:ProgramData 'Botyard\Agent' }
        else { (& (Join-Path $PSScriptRoot "$version\python.exe") -I -c 'import platformdirs; print(platformdirs.user_state_path("botyard-agent", appauthor=False))') }
    # Whose runner this machine is comes before anything is written.
    $identity = Join-Path $agentHome 'identity.json'
    $isRunner = Test-Path $identity
    if ($isRunner) {
        $known = (Get-Content -Raw $identity | ConvertFrom-Json).hub_id
        if ($known -ne $HubId) { throw "botyard: $agentHome belongs to $known, and this line is of $HubId; nothing was changed" }
    }

    # A version without its mark is half there: the mark goes first and comes last.
    function Remove-Version([string]$folder) {
        Remove-Item -Force (Join-Path $folder 'complete') -ErrorAction SilentlyContinue
        Remove-Item -Recurse -Force $folder -ErrorAction SilentlyContinue
    }
    # A new folder, never in place: what runs has its files open.
    $isNew = -not (Test-Path (Join-Path $program 'complete'))
    if ($isNew) {
        if (Test-Path $program) { Remove-Item -Recurse -Force $program }
        $null = New-Item -ItemType Directory -Force $program
        Copy-Item -Recurse -Force (Join-Path $PSScriptRoot "$version\*") $program
        $null = New-Item -ItemType File (Join-Path $program 'complete')
    }
    $python = Join-Path $program 'python.exe'
    $where = @('--mode', $(if ($asService) { 'service' } else { 'session' }), '--home', $agentHome)
    $install = $where
    if ($asService) { $install += @('--user', $User) }
    if (-not $isRunner) {
        # First the home with its rights, then what must not be read by others in it; the second time it starts.
        $code = 0
        if ($asService) { & $python -I -m agent service install @install; $code = $LASTEXITCODE }
        if (-not $code) {
            $words = @($Hub, '--token', '-', '--home', $agentHome, '--slots', "$Slots")
            if ($Name) { $words += @('--name', $Name) }
            foreach ($one in $Label) { $words += @('--label', $one) }
            if ($Ca) { $words += @('--ca', $Ca) }
            if ($Insecure) { $words += '--insecure' }
            $token | & $python -I -m agent enroll @words
            $code = $LASTEXITCODE
        }
        if ($code) {
            # There was no runner before, and there is none now: no service of one stays.
            if ($asService) { & $python -I -m agent service uninstall @where }
            if ($isNew) { Remove-Version $program }
            exit $code
        }
    }
    & $python -I -m agent service install @install
    if ($LASTEXITCODE) { exit $LASTEXITCODE }

    # As on Linux: a runner is there when the hub has it. Until its daemon can be asked, status knows of no link.
    $ended = 0
    for ($try = 0; $try -lt 60 -and $ended -lt 20; $try++) {
        $told = (& $python -I -m agent service status --json @where) -join "`n" | ConvertFrom-Json
        if ($told.linked -eq $true) { break }
        $ended = if ($told.running) { 0 } else { $ended + 1 }
        Start-Sleep -Seconds 1
    }
    if ($told.linked -ne $true) {
        $why = if ($told.problem) { $told.problem } else { $told.state }
        throw "botyard: the runner does not get its link: $why; this says more: $python -I -m agent doctor --home $agentHome"
    }
    "linked to $Hub"

    # The two newest of the others stay, and what environments of bots stand on; what a living bot has open can't be renamed.
    $inUse = @(Get-ChildItem $agentHome -Recurse -Depth 3 -Filter pyvenv.cfg -ErrorAction SilentlyContinue | Get-Content)
    $old = @(Get-ChildItem $versions -Directory | Where-Object { $_.Name -ne $version } | Sort-Object CreationTimeUtc -Descending)
    foreach ($one in @($old | Select-Object -Skip 2)) {
        if ($inUse -like "*$($one.FullName)\*") { continue }
        $gone = if ($one.Name -like '*.gone') { $one.FullName } else { "$($one.FullName).gone" }
        try { if ($gone -ne $one.FullName) { Rename-Item $one.FullName $gone } } catch { continue }
        Remove-Version $gone
    }
    & $python -I -m agent doctor --home $agentHome
    exit 0
}
