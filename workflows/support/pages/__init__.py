"""The steps of a case, one page each."""

from workflows.support.pages.jira import JiraPage
from workflows.support.pages.product import ProductPage
from workflows.support.pages.report import ReportPage

__all__ = ["JiraPage", "ProductPage", "ReportPage"]
