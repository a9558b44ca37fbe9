"""The product's only Jira client: Data Center and Cloud, for every workflow.

base_url = clean_base_url(text, allowed=account_hosts)
credentials = Credentials(base_url, Kind.DATA_CENTER, Secret(pat))
with Jira(credentials) as jira:
    person = jira.myself()

``Jira`` is in ``client``, which loads httpx: import it where Jira is asked, since most
processes never do.
"""

from workflows.core.jira.addresses import check_key, clean_base_url
from workflows.core.jira.credentials import Credentials, Kind
from workflows.core.jira.errors import (
    AnswerTooLarge,
    ArtifactTooLarge,
    AttachmentsDisabled,
    CaptchaRequired,
    CertificateUntrusted,
    ConnectionLost,
    ConnectionRefused,
    FileUnreadable,
    Forbidden,
    HostNotFound,
    InvalidBaseUrl,
    InvalidCredentials,
    InvalidIssueKey,
    JiraProblem,
    NotFound,
    NotJira,
    ProxyRefused,
    RateLimited,
    ReplyLost,
    RequestRefused,
    SsoRedirect,
    TimedOut,
    UpstreamUnavailable,
)
from workflows.core.jira.reading import Attachment, Issue, Person

__all__ = [
    "AnswerTooLarge",
    "ArtifactTooLarge",
    "Attachment",
    "AttachmentsDisabled",
    "CaptchaRequired",
    "CertificateUntrusted",
    "ConnectionLost",
    "ConnectionRefused",
    "Credentials",
    "FileUnreadable",
    "Forbidden",
    "HostNotFound",
    "InvalidBaseUrl",
    "InvalidCredentials",
    "InvalidIssueKey",
    "Issue",
    "JiraProblem",
    "Kind",
    "NotFound",
    "NotJira",
    "Person",
    "ProxyRefused",
    "RateLimited",
    "ReplyLost",
    "RequestRefused",
    "SsoRedirect",
    "TimedOut",
    "UpstreamUnavailable",
    "check_key",
    "clean_base_url",
]
