<#
.SYNOPSIS
Installs Trunkline's ingest services on a Windows PC, or removes them.

.DESCRIPTION
Run it as administrator, in the folder that holds ingest-tcp.exe and
ingest-poll.exe. Run it again for a new version, or for other ports.

  .\install.ps1 -Service ingest-poll
  .\install.ps1 -TcpPort 1080 -From 10.1.0.0/16
  .\install.ps1 -Service ingest-poll -Credential (Get-Credential ACME\svc-cdr)
  .\install.ps1 -Remove

Each service runs under an account of its own, NT SERVICE\trunkline-..., which
reaches the shares of others as this computer does (ACME\PC$). -Credential takes
another account; it needs the right to log on as a service.

The log is in %ProgramData%\Trunkline\log. Removing keeps configuration, data
and log.

.PARAMETER Service
Which ones; both unless told.
.PARAMETER Config
The configuration.
.PARAMETER TcpPort
Ports that a PBX connects to: what `trunkline models MODEL` calls firewall, and
the configuration's `listen`.
.PARAMETER UdpPort
Ports that a PBX sends to over UDP (TFTP).
.PARAMETER From
Who may connect; the own subnet unless told.
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [ValidateSet('ingest-tcp', 'ingest-poll')]
    [string[]] $Service = @('ingest-tcp', 'ingest-poll'),
    [string] $Config = "$env:ProgramData\Trunkline\trunkline.yaml",
    [int[]] $TcpPort = @(),
    [int[]] $UdpPort = @(),
    [string[]] $From = @('LocalSubnet'),
    [pscredential] $Credential,
    [switch] $Remove
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$programs = "$env:ProgramFiles\Trunkline"
$keep = "$env:ProgramData\Trunkline"

function Invoke-Native {
    param([string] $Program, [string[]] $Arguments)
    $said = & $Program @Arguments
    if ($LASTEXITCODE -ne 0) {
        throw "$Program $($Arguments -join ' '): $said"
    }
}

function Remove-Trunkline {
    param([string] $Name)
    Get-NetFirewallRule -Group $Name -ErrorAction SilentlyContinue | Remove-NetFirewallRule
    if (Get-Service -Name $Name -ErrorAction SilentlyContinue) {
        # It drains: what was received is published before it stops.
        Stop-Service -Name $Name
        Invoke-Native 'sc.exe' @('delete', $Name)
    }
}

function Install-Trunkline {
    param([string] $Program)
    $name = "trunkline-$Program"
    $source = Join-Path $PSScriptRoot "$Program.exe"
    if (-not (Test-Path $source)) {
        throw "$source is missing: put $Program.exe beside this script"
    }
    Remove-Trunkline $name

    New-Item -ItemType Directory -Force -Path $programs, $keep, "$keep\log", "$keep\data" | Out-Null
    $exe = Join-Path $programs "$Program.exe"
    Copy-Item -Force -Path $source -Destination $exe

    $command = '"{0}" -c "{1}" -log "{2}\log\{3}.log"' -f $exe, $Config, $keep, $Program
    $new = @{
        Name = $name; BinaryPathName = $command; StartupType = 'Automatic'
        DisplayName = "Trunkline $Program"; Description = 'Collects the call tickets of phone systems.'
    }
    $account = "NT SERVICE\$name"
    if ($Credential) {
        $new.Credential = $Credential
        $account = $Credential.UserName
    }
    New-Service @new | Out-Null
    if (-not $Credential) {
        Invoke-Native 'sc.exe' @('config', $name, 'obj=', $account)
    }
    # It is started again whenever it ends by itself, also with an error.
    Invoke-Native 'sc.exe' @('failure', $name, 'reset=', '86400', 'actions=', 'restart/1000/restart/5000/restart/60000')
    Invoke-Native 'sc.exe' @('failureflag', $name, '1')

    # Passwords may stand beside the configuration: administrators (S-1-5-32-544),
    # the system (S-1-5-18) and the services only.
    Invoke-Native 'icacls.exe' @($keep, '/inheritance:r', '/grant', '*S-1-5-32-544:(OI)(CI)F', '*S-1-5-18:(OI)(CI)F', "${account}:(OI)(CI)RX")
    Invoke-Native 'icacls.exe' @("$keep\log", '/grant', "${account}:(OI)(CI)M")
    Invoke-Native 'icacls.exe' @("$keep\data", '/grant', "${account}:(OI)(CI)M")

    foreach ($rule in @{ Protocol = 'TCP'; Ports = $TcpPort }, @{ Protocol = 'UDP'; Ports = $UdpPort }) {
        foreach ($port in $rule.Ports) {
            New-NetFirewallRule -Group $name -Program $exe -Direction Inbound -Action Allow `
                -DisplayName "Trunkline ${Program}: from the PBX to us, $($rule.Protocol) port $port" `
                -Protocol $rule.Protocol -LocalPort $port -RemoteAddress $From | Out-Null
        }
    }

    if (Test-Path $Config) {
        Start-Service -Name $name
        Write-Output "$name runs; its log is $keep\log\$Program.log"
    } else {
        Write-Output "$name is installed: write $Config, then Start-Service $name"
    }
}

foreach ($program in $Service) {
    if ($Remove) {
        Remove-Trunkline "trunkline-$program"
        Write-Output "trunkline-$program is removed; $keep stays"
    } else {
        Install-Trunkline $program
    }
}
