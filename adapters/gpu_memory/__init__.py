"""Fills a card's whole memory and reads it back, so that no lease finds bytes of the one before."""

from adapters.gpu_memory.cards import wipe_card
from adapters.gpu_memory.report import Pass, SearchReport, WipeReport, checks_of, usual_leave_mib
from adapters.gpu_memory.service import BUDGET_S, search, wipe, wipe_report

__all__ = [
    "BUDGET_S",
    "Pass",
    "SearchReport",
    "WipeReport",
    "checks_of",
    "search",
    "usual_leave_mib",
    "wipe",
    "wipe_card",
    "wipe_report",
]
