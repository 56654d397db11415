"""Public doubles: a provider simulator, faults, virtual time with providers on it, kits for providers and dialects."""

from pointsman.testing.bank import Question, builtin_bank
from pointsman.testing.check_dialect import check_dialect
from pointsman.testing.conformance import Check, Report, check_provider
from pointsman.testing.faults import FAULTS, Fault
from pointsman.testing.journal import Entry
from pointsman.testing.recital import recital
from pointsman.testing.script import (
    Chaos,
    FaultRule,
    Mishap,
    Outage,
    Pace,
    Prices,
    PromptCache,
    Quota,
    Script,
    SimModel,
    SimProvider,
    Thinking,
    load_script,
    one_model,
)
from pointsman.testing.simulator import Simulator
from pointsman.testing.spells import Habits, Spell, Timetable, timetables
from pointsman.testing.threaded import running
from pointsman.testing.virtual import Deadlock, VirtualClock, VirtualLoop, run_virtual
from pointsman.testing.world import SAID, Tempo, World

__all__ = [
    "FAULTS",
    "SAID",
    "Chaos",
    "Check",
    "Deadlock",
    "Entry",
    "Fault",
    "FaultRule",
    "Habits",
    "Mishap",
    "Outage",
    "Pace",
    "Prices",
    "PromptCache",
    "Question",
    "Quota",
    "Report",
    "Script",
    "SimModel",
    "SimProvider",
    "Simulator",
    "Spell",
    "Tempo",
    "Thinking",
    "Timetable",
    "VirtualClock",
    "VirtualLoop",
    "World",
    "builtin_bank",
    "check_dialect",
    "check_provider",
    "load_script",
    "one_model",
    "recital",
    "run_virtual",
    "running",
    "timetables",
]
