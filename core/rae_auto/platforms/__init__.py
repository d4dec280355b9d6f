"""Differences between operating systems: one contract for each subject, one adapter for each system, one choice.

Everything above asks the adapter of a subject, and nothing above asks which system it is: a test lists the modules that
may. What an adapter decides is plain Python, so that it is tested on any system; what only its system can do are few
calls at its edge, in modules of their own, for which tests put stand-ins.
"""
