# Makes this Windows machine a runner of the Botyard hub that this script came from, over a line that was pinned by the
# hub's certificate. The hub filled in what stands in the next lines. Windows PowerShell 5.1 and PowerShell 7.
#   & ([scriptblock]::Create($text)) -Token TOKEN [options of the bundle's own install.ps1]
# It fetches the bundle, checks it, and hands over to the install.ps1 in it, the token by standard input.
[CmdletBinding()]
param([Parameter(Mandatory)][string]$Token, [Parameter(ValueFromRemainingArguments)][object[]]$Options = @())
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$hub = @HUB@
$hubId = @HUB_ID@
$plain = @PLAIN@
$authority = @AUTHORITY@
# Lines of: platform sha256 name.
$bundles = @BUNDLES@

$kind = 'windows-x86_64'
if (-not [Environment]::Is64BitOperatingSystem) { throw 'botyard: this needs a 64-bit Windows' }
$line = @($bundles -split "`n" | Where-Object { $_.StartsWith("$kind ") })
if (-not $line) { throw "botyard: $hub has no bundle for $kind yet: put one into the folder bundles of its data" }
$null, $sha, $name = $line[0].Trim() -split ' ', 3

$work = Join-Path ([IO.Path]::GetTempPath()) ('botyard-' + [Guid]::NewGuid().ToString('N'))
$null = New-Item -ItemType Directory $work
try {
    $uri = [Uri]$hub
    $client = New-Object Net.Sockets.TcpClient($uri.DnsSafeHost, $uri.Port)
    $stream = $client.GetStream()
    if ($uri.Scheme -eq 'https') {
        # Whose certificate it is means nothing here: the digest, which came by the pinned line, says what came.
        $stream = New-Object Net.Security.SslStream($stream, $false, [Net.Security.RemoteCertificateValidationCallback]{ $true })
        $stream.AuthenticateAsClient($uri.DnsSafeHost, $null, 'Tls12', $false)
    }
    $ask = [Text.Encoding]::ASCII.GetBytes("GET /install/bundle/$name HTTP/1.0`r`nHost: $($uri.Authority)`r`n`r`n")
    $stream.Write($ask, 0, $ask.Length)
    $got = New-Object IO.MemoryStream
    $stream.CopyTo($got)
    $stream.Dispose(); $client.Close()
    $bytes = $got.ToArray()
    $start = [Text.Encoding]::ASCII.GetString($bytes, 0, [Math]::Min(8192, $bytes.Length)).IndexOf("`r`n`r`n") + 4
    $zip = Join-Path $work $name
    $file = [IO.File]::Create($zip)
    try { $file.Write($bytes, $start, $bytes.Length - $start) } finally { $file.Dispose() }
    if ((Get-FileHash $zip -Algorithm SHA256).Hash -ne $sha) {
        throw 'botyard: the bundle is not what the hub says it is; nothing was installed'
    }
    $inside = Join-Path $work 'bundle'
    Expand-Archive $zip $inside
    $words = @('-Hub', $hub, '-HubId', $hubId)
    # a=b,c=d comes as a list, and -File takes words.
    foreach ($one in $Options) { $words += ($one -join ',') }
    if ($plain) { $words += '-Insecure' }
    if ($authority) {
        [IO.File]::WriteAllText((Join-Path $work 'ca.pem'), $authority)
        $words += @('-Ca', (Join-Path $work 'ca.pem'))
    }
    $shell = (Get-Process -Id $PID).Path
    $Token | & $shell -NoProfile -ExecutionPolicy Bypass -File (Join-Path $inside 'install.ps1') @words
    if ($LASTEXITCODE) { throw "botyard: the installation ended with $LASTEXITCODE" }
} finally { Remove-Item -Recurse -Force $work -ErrorAction SilentlyContinue }
