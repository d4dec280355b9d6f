"""Services of Windows: a task of the Task Scheduler that starts the daemon at logon, or at boot.

The XML follows section 2.5 of [MS-TSCH]. Without `ExecutionTimeLimit` PT0S a task is ended after three days, and
without the two battery flags it neither starts nor stays on a laptop that is unplugged.
"""

import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

from rae_auto.errors import SchedulerError
from rae_auto.service.definition import ServiceCommands, ServiceDefinition, UnitFile

TITLE = "the Task Scheduler"

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
RESTARTS = 5

_SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "AllowHardTerminate": "false",
    "StartWhenAvailable": "true",
    "ExecutionTimeLimit": "PT0S",
    "Hidden": "false",
    "Enabled": "true",
}


def unit_directory(is_system: bool) -> Path:
    base = os.environ.get("PROGRAMDATA" if is_system else "LOCALAPPDATA", "")
    return Path(base or "~/AppData/Local").expanduser() / "rae-auto" / "services"


def unit_path(name: str, is_system: bool) -> Path:
    return unit_directory(is_system) / f"{name}.xml"


def unit_files(service: ServiceDefinition) -> tuple[UnitFile, ...]:
    if "RAE_STATE_DIR" in service.environment:
        raise SchedulerError(
            "RAE_STATE_DIR: a task of Windows has no environment of its own; "
            "set the key state in the configuration instead"
        )
    text = f'<?xml version="1.0" encoding="UTF-16"?>\n<!-- {service.origin.mark()} -->\n{_task(service)}\n'
    return (UnitFile(unit_path(service.name, service.is_system), text, "utf-16"),)


def _task(service: ServiceDefinition) -> str:
    user = service.user or os.environ.get("USERNAME", "")
    task = ET.Element("Task", {"version": "1.2", "xmlns": NAMESPACE})
    _add(task, "RegistrationInfo", {"Author": user, "Description": f"rae-auto run, for {service.origin.config}"})
    trigger = {"Enabled": "true"} if service.is_system else {"Enabled": "true", "UserId": user}
    _add(ET.SubElement(task, "Triggers"), "BootTrigger" if service.is_system else "LogonTrigger", trigger)
    principal = {
        "UserId": user,
        # Of the system: without a password, and without access to network shares.
        "LogonType": "S4U" if service.is_system else "InteractiveToken",
        "RunLevel": "LeastPrivilege",
    }
    _add(ET.SubElement(task, "Principals"), "Principal", principal).set("id", "Author")
    settings = _add(task, "Settings", _SETTINGS)
    _add(settings, "RestartOnFailure", {"Interval": "PT1M", "Count": str(RESTARTS)})
    program, *arguments = service.command
    line = subprocess.list2cmdline([*arguments, "run", "--config", str(service.origin.config)])
    actions = ET.SubElement(task, "Actions", {"Context": "Author"})
    _add(actions, "Exec", {"Command": program, "Arguments": line})
    ET.indent(task)
    return ET.tostring(task, encoding="unicode")


def _add(parent: ET.Element, name: str, children: dict[str, str]) -> ET.Element:
    element = ET.SubElement(parent, name)
    for child, text in children.items():
        ET.SubElement(element, child).text = text
    return element


def read_program(text: str) -> str | None:
    try:
        # A file of this user, who could as well start any program.
        return ET.fromstring(text.partition("?>")[2]).findtext(f".//{{{NAMESPACE}}}Command")  # noqa: S314
    except ET.ParseError:
        return None


def commands(name: str, is_system: bool) -> ServiceCommands:
    path = str(unit_path(name, is_system))
    return ServiceCommands(
        install=(("schtasks", "/Create", "/F", "/TN", name, "/XML", path),),
        uninstall=(("schtasks", "/Delete", "/F", "/TN", name),),
        start=(("schtasks", "/Run", "/TN", name),),
        is_enabled=("schtasks", "/Query", "/TN", name),
    )
