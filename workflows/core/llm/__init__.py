"""Language models: optional, chosen by the operator, asked only in the background.

Without LLM_PROVIDER there is none, and whoever would ask does its offline best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from workflows.core.errors import AdminRequired
from workflows.core.llm.base import Config, Gap, Provider, Reply, Usage, delimited
from workflows.core.secrets import Secret

__all__ = [
    "Choice",
    "Gap",
    "Provider",
    "Reply",
    "Usage",
    "choose",
    "delimited",
    "provider",
]

VENDORS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}


def provider() -> Provider | None:
    """Return the language model of the settings, or None. Raises AdminRequired.

    The SDKs take seconds to load, so that only who asks a model pays for it.
    """
    vendor = settings.LLM_PROVIDER
    if not vendor:
        return None
    if vendor not in VENDORS or not settings.LLM_MODEL:
        raise AdminRequired(
            _(
                "The language model is not set up: LLM_PROVIDER has to be openai or "
                "anthropic, and LLM_MODEL the name of a model."
            )
        )
    if not settings.LLM_API_KEY and not settings.LLM_BASE_URL:
        raise AdminRequired(
            _("The language model is not set up: LLM_API_KEY is missing.")
        )
    config = Config(
        model=settings.LLM_MODEL,
        # A model of one's own may need no key; the SDKs insist on some text.
        key=Secret(settings.LLM_API_KEY or "none"),
        base_url=settings.LLM_BASE_URL or VENDORS[vendor],
    )
    try:
        if vendor == "openai":
            from workflows.core.llm.openai import OpenAIProvider

            return OpenAIProvider(config)
        from workflows.core.llm.anthropic import AnthropicProvider

        return AnthropicProvider(config)
    except ImportError:
        raise AdminRequired(
            _(
                "The language model cannot be asked: the Python package “%(package)s” "
                "is not installed. Install what requirements.txt lists."
            )
            % {"package": vendor}
        ) from None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the options, or None for "none of them"; ``gap`` tells no answer apart."""

    value: str | None
    gap: Gap | None
    usage: Usage


def choose(
    model: Provider, *, instructions: str, untrusted: str, options: Sequence[str]
) -> Choice:
    """Let the model choose one of the options for the data, or none. Raises Problem.

    What it says is checked here: not every server keeps to the schema it is given.
    """
    schema = {
        "type": "object",
        "properties": {
            "choice": {
                "anyOf": [{"type": "string", "enum": [*options]}, {"type": "null"}]
            }
        },
        "required": ["choice"],
        "additionalProperties": False,
    }
    reply = model.generate(
        instructions=instructions, untrusted=untrusted, schema=schema
    )
    if reply.data is None:
        return Choice(None, reply.gap, reply.usage)
    value = reply.data.get("choice")
    if reply.data.keys() != {"choice"} or not (value is None or value in options):
        return Choice(None, Gap.INVALID, reply.usage)
    return Choice(value, None, reply.usage)
