"""The task at logon of Windows, as XML for `schtasks /create /xml`. Written by the manual, run by nobody yet."""

from dataclasses import replace
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from agent.service.spec import NAME, Command, File, Spec, Verb
from agent.service.windows_words import quoted

_SPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"


def files(spec: Spec) -> tuple[File, ...]:
    """The task's definition, kept so that it is known what was installed; UTF-16, as schtasks wants it."""
    return (File(path=_path(spec), text=_xml(spec), encoding="utf-16"),)


def commands(verb: Verb, spec: Spec) -> tuple[Command, ...]:
    """What is run for a step."""

    def of(*words: str, ok: frozenset[int] | None = frozenset({0})) -> Command:
        return Command(argv=("schtasks", *words), ok=ok)

    run, end = of("/run", "/tn", NAME), of("/end", "/tn", NAME, ok=None)
    match verb:
        case Verb.LOAD:
            return (of("/create", "/tn", NAME, "/xml", _path(spec), "/f"),)
        case Verb.START:
            return (run,)
        case Verb.RESTART:
            return (end, run)
        case Verb.STOP:
            return (end,)
        case Verb.UNLOAD:
            return (end, of("/delete", "/tn", NAME, "/f"))
        case Verb.STATE:
            # schtasks answers in the language of the machine; this does not.
            ask = f"(Get-ScheduledTask -TaskName {NAME} -ErrorAction Stop).State.ToString()"
            return (Command(argv=("powershell.exe", "-NoProfile", "-NonInteractive", "-Command", ask), ok=None),)
        case Verb.CHECK | Verb.PREPARE | Verb.OWN | Verb.FORGET | Verb.PURGE:
            return ()


def paths(spec: Spec, *, purge: bool) -> tuple[str, ...]:
    """Files that an uninstall removes."""
    del purge
    return (_path(spec),)


def leftovers(spec: Spec) -> tuple[str, ...]:
    """Nothing beside the home."""
    del spec
    return ()


def is_running(code: int, output: str) -> bool:
    """Whether the task's state says so."""
    return code == 0 and output.strip() == "Running"


def link_told(output: str) -> bool | None:
    """Nothing: it knows of no links."""
    del output
    return None


def as_installed(spec: Spec, text: str) -> Spec:
    """`spec` with the home that a task names."""
    try:
        found = ET.fromstring(text).findtext(f".//{{{_SPACE}}}WorkingDirectory")  # noqa: S314 - our own file
    except (ET.ParseError, ValueError):
        return spec
    return replace(spec, home=found or spec.home)


def logs(spec: Spec) -> str:
    """Its file."""
    return f"{spec.home}\\logs\\agent.log"


def _path(spec: Spec) -> str:
    return f"{spec.definitions}\\{NAME}.task.xml"


def _xml(spec: Spec) -> str:
    # The interpreter without a window: nobody closes it by mistake.
    head, _, program = spec.python.rpartition("\\")
    python = f"{head}\\pythonw.exe" if program.lower() == "python.exe" else spec.python
    arguments = " ".join(map(quoted, [*spec.argv[1:], "--log-file", logs(spec)]))
    return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="{_SPACE}">
  <RegistrationInfo>
    <Description>Botyard agent: runs bots on this desktop for a Botyard hub</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{escape(spec.user)}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{escape(spec.user)}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <IdleSettings>
      <StopOnIdleEnd>false</StopOnIdleEnd>
    </IdleSettings>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>999</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(python)}</Command>
      <Arguments>{escape(arguments)}</Arguments>
      <WorkingDirectory>{escape(spec.home)}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""
