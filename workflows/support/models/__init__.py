"""A run from product to Jira: the session, its report, its archive, its attachment."""

from workflows.support.models.artifact import Artifact
from workflows.support.models.attachment import JiraAttachmentState
from workflows.support.models.host import Host
from workflows.support.models.report import SosReportState
from workflows.support.models.session import Product, ProductSelection, WorkflowSession

__all__ = [
    "Artifact",
    "Host",
    "JiraAttachmentState",
    "Product",
    "ProductSelection",
    "SosReportState",
    "WorkflowSession",
]
