"""OpenAI, and every server that speaks its chat completions: the most common wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai
from openai.types.chat import ChatCompletion

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

VENDOR = "OpenAI"
UNPAID = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
}
# A text that is refused before the model sees it.
REFUSED = {"content_filter", "content_policy_violation", "invalid_prompt"}
GAPS = {"length": Gap.TRUNCATED, "content_filter": Gap.REFUSED}


class OpenAIProvider:
    """Structured outputs of the chat completions API."""

    def __init__(self, config: Config) -> None:
        quieten("openai")
        self.model = config.model
        self.name = f"openai:{config.model}"
        self._client = openai.OpenAI(
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
            found = self._client.chat.completions.create(
                model=self.model,
                messages=[
                    {"role": "system", "content": instructed(instructions)},
                    {"role": "user", "content": delimited(untrusted)},
                ],
                response_format={
                    "type": "json_schema",
                    "json_schema": {
                        "name": "answer",
                        "schema": dict(schema),
                        "strict": True,
                    },
                },
                max_completion_tokens=most_tokens,
                store=False,
            )
        except openai.APIStatusError as error:
            if error.status_code == 400 and error.code in REFUSED:
                return reply_of(
                    None, Gap.REFUSED, Usage(), self.model, error.request_id
                )
            unpaid = bool({error.code, error.type} & UNPAID)
            headers = error.response.headers
            raise failed(VENDOR, error.status_code, headers, unpaid=unpaid) from None
        except openai.APIConnectionError:
            raise unreached(VENDOR) from None
        except (openai.APIError, ValueError):
            raise not_understood(VENDOR) from None
        try:
            return read(found)
        # The SDK does not check that a reply is one.
        except (AttributeError, LookupError, TypeError):
            raise not_understood(VENDOR) from None


def read(found: ChatCompletion) -> Reply:
    [choice, *_others] = found.choices
    message = choice.message
    gap = Gap.REFUSED if message.refusal else GAPS.get(choice.finish_reason)
    usage = Usage()
    if found.usage:
        usage = Usage(found.usage.prompt_tokens, found.usage.completion_tokens)
    return reply_of(message.content, gap, usage, found.model, found._request_id)
