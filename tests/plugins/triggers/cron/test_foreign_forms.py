"""Times in the forms of other tools are refused with their equivalents."""

import re

import pytest

from rae_plugins.triggers.cron import CronTrigger
from rae_plugins.triggers.cron.foreign_forms import find_equivalent

INTERVAL = 'is an interval; write trigger = {{ type = "interval", every = "{}" }}'
EXPRESSION = 'is not a cron expression; write "{}"'
COMMAND = "has a command in it; write {} and shell = {}"
BOOT = 'trigger = { type = "system", on = ["boot"] }'

EQUIVALENTS = {
    # whole lines of crontabs
    "*/10 * * * * /home/ann/bin/sync.sh": COMMAND.format('schedule = "*/10 * * * *"', '"/home/ann/bin/sync.sh"'),
    "0 7 * * mon-fri ./report.py --all": COMMAND.format('schedule = "0 7 * * mon-fri"', '"./report.py --all"'),
    "@daily tidy -q": COMMAND.format('schedule = "@daily"', '"tidy -q"'),
    "@reboot ~/start": COMMAND.format(BOOT, '"~/start"'),
    "17 3 * * * root /usr/sbin/logrotate": "has the user and the command of a system crontab in it; write schedule = "
    '"17 3 * * *" and shell = "/usr/sbin/logrotate"',
    "17 3 * * * root cd / && run-parts /etc/cron.daily": "has the user and the command of a system crontab in it; "
    'write schedule = "17 3 * * *" and shell = "cd / && run-parts /etc/cron.daily"',
    "0 5 * * * cd /srv && make": COMMAND.format('schedule = "0 5 * * *"', '"cd /srv && make"'),
    "0 5 * * * ls /tmp": COMMAND.format('schedule = "0 5 * * *"', '"ls /tmp"'),
    # not times of the clock
    "@reboot": f"is not a time; write {BOOT}",
    "boot": f"is not a time; write {BOOT}",
    "@every 90m": INTERVAL.format("90m"),
    "@every 2h15m": INTERVAL.format("2h15m"),
    "every 10 minutes": INTERVAL.format("10m"),
    "every hour": INTERVAL.format("1h"),
    "every 2 weeks": INTERVAL.format("14d"),
    "30s": INTERVAL.format("30s"),
    "rate(1 hour)": INTERVAL.format("1h"),
    # words
    "07:45": EXPRESSION.format("45 7 * * *"),
    "at 6:30": EXPRESSION.format("30 6 * * *"),
    "8pm": EXPRESSION.format("0 20 * * *"),
    "12:15 am": EXPRESSION.format("15 0 * * *"),
    "every friday at 17:00": EXPRESSION.format("0 17 * * fri"),
    "weekdays 08:05": EXPRESSION.format("5 8 * * mon-fri"),
    "hourly": EXPRESSION.format("@hourly"),
    # systemd's OnCalendar
    "*-*-* 03:15:00": EXPRESSION.format("15 3 * * *"),
    "Mon..Thu 18:20": EXPRESSION.format("20 18 * * mon-thu"),
    "Sat,Sun *-*-* 10:00:30": EXPRESSION.format("30 0 10 * * sat,sun"),
    "OnCalendar=*-*-* 05:00": EXPRESSION.format("0 5 * * *"),
    "*-*-01 03:00": EXPRESSION.format("0 3 1 * *"),
    "*:0/20": EXPRESSION.format("*/20 * * * *"),
    "*-*-* 8..16:30": EXPRESSION.format("30 8-16 * * *"),
    "Tue *-*-8..14 07:00": EXPRESSION.format("0 7 * * tue#2"),
    "*-02,08~03 10:00": EXPRESSION.format("0 10 L-2 2,8 *"),
    "2027-*-1/7 00:00:30": EXPRESSION.format("30 0 0 */7 * * 2027"),
    "quarterly": EXPRESSION.format("0 0 1 1,4,7,10 *"),
    # one time
    "2027-03-01 9:30": 'is one time; write trigger = { type = "once", at = "2027-03-01T09:30" }',
    "at(2027-03-01T09:30:00)": 'is one time; write trigger = { type = "once", at = "2027-03-01T09:30:00" }',
    # EventBridge
    "cron(15 10 ? * MON-FRI *)": 'is in the form of EventBridge; write "15 10 * * mon-fri"',
    "15 10 ? * TUE *": 'has six fields, which begin with the seconds here; write "15 10 * * tue"',
    "0 8 1 * ? 2030": 'has six fields, which begin with the seconds here; write "0 0 8 1 * * 2030"',
    # others
    "5~35 * * * *": 'write trigger = { type = "cron", expression = "5 * * * *", jitter = "30m" }',
    "0 1~4 * * sun": 'write trigger = { type = "cron", expression = "0 1 * * sun", jitter = "3h" }',
    "35~5 * * * *": "~ is not supported; write a number, and spread starts with the option jitter",
    "0 0 30 2 *": 'write trigger = { type = "manual" } to start it by hand only',
}


@pytest.mark.parametrize(("text", "equivalent"), EQUIVALENTS.items(), ids=EQUIVALENTS)
def test_form_of_another_tool_is_refused_with_its_equivalent(text: str, equivalent: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        CronTrigger(expression=text)
    assert equivalent in str(caught.value)
    assert str(caught.value).isprintable()
    for expression in re.findall(r'(?:; write|schedule =|expression =) "([^"]*)"', str(caught.value)):
        CronTrigger(expression=expression)


@pytest.mark.parametrize(
    "text",
    [
        "every blue moon",
        "99:99",
        "25pm",
        "*-*-* 25:00",
        "*-13-1",
        "Mon,Tue *-*-1 9:00",
        "0 9 * * * *  * * *",
        "cron(1 2)",
        "mon tue wed",
    ],
)
def test_text_of_no_known_form_is_refused_as_an_expression(text: str) -> None:
    with pytest.raises(ValueError, match=r"field|value"):
        CronTrigger(expression=text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("*-*-~3 10:00", 'write "0 10 L-2 * *"'),
        ("daily at noon", 'write "0 12 * * *"'),
        ("monday", 'write "0 0 * * mon"'),
        ("weekdays at midnight", 'write "0 0 * * mon-fri"'),
        ("sunset", "of the package rae-trigger-sun"),
    ],
)
def test_words_for_days_and_times_get_their_equivalent(text: str, written: str) -> None:
    clause = find_equivalent(text)
    assert clause is not None
    assert written in clause
