"""Screens: the contents that people look at, as frozen values that every interface renders.

| screen | made by | answers |
| --- | --- | --- |
| `Overview` | `load_overview` | is all well, what needs you, what runs, waits and comes next |
| `Timeline` | `load_timeline` | what ran when beside what, what was skipped and why, what is expected |
| `Month`, `DayGrid` | `load_month`, `load_day_grid` | how days went and how busy days to come are |
| `JobList` | `load_job_list` | all jobs: state, next, last, took, the last ten occurrences |
| `JobPage` | `load_job_page` | one job: schedule, occurrences, durations, guards, policies, history |
| `RunPage` | `load_run_page` | the life of one run, and how it differs from the last good one |
| `WhyPage` | `load_why_page` | why a job ran, didn't run or waits, as a tree of checks |
| `WhatIf` | `load_what_if` | what an edited configuration would change |
| `OutputPage` | `load_output_page` | a part of the output of an attempt |
| `HealthPage` | `load_health_page` | how daemon, store, plugins and machine are |
| `Digest` | `load_digest` | what happened in a span of time |

A screen is made in two steps: `load_…` reads what it needs from a `RecordSource`, and `build_…`, a pure function, makes
the value. The source alone reads files, clocks and processes. The command line, the terminal view, the web page, the
digest and `to_json` show this value and compute nothing, so that their numbers agree. A list in a screen is complete,
or its `Extent` says how much is missing.
"""
