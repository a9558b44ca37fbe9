"""Anthropic's messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anthropic
from anthropic.types import Message

from workflows.core.llm.base import (
    MOST_TOKENS,
    TIMEOUT_SECONDS,
    Config,
    Gap,
    Reply,
    Usage,
    delimited,
    failed,
    instructed,
    not_understood,
    quieten,
    reply_of,
    unreached,
)

VENDOR = "Anthropic"
GAPS = {
    "refusal": Gap.REFUSED,
    "max_tokens": Gap.TRUNCATED,
    "model_context_window_exceeded": Gap.TRUNCATED,
}


class AnthropicProvider:
    """Structured outputs by ``output_config``.

    A forced tool would do the same for old models, but not for those that think first.
    """

    def __init__(self, config: Config) -> None:
        quieten("anthropic")
        self.model = config.model
        self.name = f"anthropic:{config.model}"
        self._client = anthropic.Anthropic(
            api_key=config.key.reveal(),
            base_url=config.base_url,
            timeout=TIMEOUT_SECONDS,
            max_retries=0,
        )

    def generate(
        self,
        *,
        instructions: str,
        untrusted: str,
        schema: Mapping[str, Any],
        most_tokens: int = MOST_TOKENS,
    ) -> Reply:
        try:
            found = self._client.messages.create(
                model=self.model,
                system=instructed(instructions),
                messages=[{"role": "user", "content": delimited(untrusted)}],
                output_config={
                    "format": {"type": "json_schema", "schema": dict(schema)}
                },
                max_tokens=most_tokens,
            )
        except anthropic.APIStatusError as error:
            unpaid = error.type == "billing_error"
            headers = error.response.headers
            raise failed(VENDOR, error.status_code, headers, unpaid=unpaid) from None
        except anthropic.APIConnectionError:
            raise unreached(VENDOR) from None
        except (anthropic.APIError, ValueError):
            raise not_understood(VENDOR) from None
        try:
            return read(found)
        # The SDK does not check that a reply is one.
        except (AttributeError, LookupError, TypeError):
            raise not_understood(VENDOR) from None


def read(found: Message) -> Reply:
    text = "".join(block.text for block in found.content if block.type == "text")
    usage = Usage(found.usage.input_tokens, found.usage.output_tokens)
    gap = GAPS.get(found.stop_reason or "")
    return reply_of(text, gap, usage, found.model, found._request_id)
