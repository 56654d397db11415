"""Public doubles: a provider simulator, named faults, and kits that check a provider and a dialect."""

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
from pointsman.testing.threaded import running

__all__ = [
    "FAULTS",
    "Chaos",
    "Check",
    "Entry",
    "Fault",
    "FaultRule",
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
    "Thinking",
    "builtin_bank",
    "check_dialect",
    "check_provider",
    "load_script",
    "one_model",
    "recital",
    "running",
]
