"""The stand-in speaks as the vendors' published types say, and we speak so to it.

Both SDKs are generated from the vendors' API descriptions.
"""

import anthropic.types
import openai.types.chat
import openai.types.chat.completion_create_params as openai_params
import pytest
from anthropic.types import message_create_params as anthropic_params
from pydantic import TypeAdapter

from tests.llm import KEY, MODELS, Fault, completion, error, language_model, message
from workflows.core.llm import choose, provider

REQUESTS = {
    "openai": openai_params.CompletionCreateParamsNonStreaming,
    "anthropic": anthropic_params.MessageCreateParamsNonStreaming,
}


@pytest.mark.parametrize("vendor", REQUESTS)
def test_what_we_send(vendor, settings):
    with language_model() as model:
        settings.LLM_PROVIDER, settings.LLM_MODEL = vendor, MODELS[vendor]
        settings.LLM_API_KEY, settings.LLM_BASE_URL = KEY, model.base_url(vendor)
        choose(provider(), instructions="x", untrusted="y", options=["a"])
    [asked] = model.asked
    declared = REQUESTS[vendor]
    found = TypeAdapter(declared).validate_python(asked.body)
    assert found.keys() == asked.body.keys()
    assert asked.body.keys() <= declared.__annotations__.keys() | {
        name for base in declared.__orig_bases__ for name in base.__annotations__
    }
    assert [*found["messages"]][-1]["role"] == "user"


@pytest.mark.parametrize("stop", ["", "refused", "truncated"])
def test_what_the_stand_in_answers(stop):
    text = '{"choice": null}'
    chat = openai.types.chat.ChatCompletion.model_validate(completion(text, stop))
    said = chat.choices[0]
    assert (said.finish_reason, said.message.content, bool(said.message.refusal)) == {
        "": ("stop", text, False),
        "refused": ("stop", None, True),
        "truncated": ("length", text, False),
    }[stop]
    reply = anthropic.types.Message.model_validate(message(text, stop))
    assert (
        reply.stop_reason
        == {
            "": "end_turn",
            "refused": "refusal",
            "truncated": "max_tokens",
        }[stop]
    )


@pytest.mark.parametrize(
    "code", ["authentication_error", "not_found_error", "rate_limit_error", "api_error"]
)
def test_how_the_stand_in_fails(code):
    body = {"messages": []}
    said = error("anthropic", Fault(400, code=code), {}, body)
    found = anthropic.types.shared.ErrorResponse.model_validate(said)
    assert found.error.type == code
    said = error("openai", Fault(400, code=code), {}, body)["error"]
    found = openai.types.shared.ErrorObject.model_validate(said)
    assert found.code == code
