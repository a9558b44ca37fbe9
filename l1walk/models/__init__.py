from l1walk.models.flow import Flow, FlowProposal, FlowVersion
from l1walk.models.step import WalkStep
from l1walk.models.ticket import Ticket, TicketNote
from l1walk.models.walk import L1WalkSession

__all__ = [
    "Flow",
    "FlowProposal",
    "FlowVersion",
    "L1WalkSession",
    "Ticket",
    "TicketNote",
    "WalkStep",
]
