"""A language model's server as OpenAI and Anthropic describe theirs, for tests.

It speaks HTTP on a local port, knows one key and one model per vendor, keeps what it
was asked, and answers as a test tells it to. workflows/core/tests/test_llm_wire.py
holds it against the types that the vendors publish.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-planted-7f3a91c0d2e84b65"
MODELS = {"openai": "gpt-stand-in", "anthropic": "claude-stand-in"}
PATHS = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}


@dataclass(frozen=True)
class Asked:
    """One request as it came over the wire."""

    vendor: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def instructions(self) -> str:
        if self.vendor == "anthropic":
            return str(self.body["system"])
        return str(self.body["messages"][0]["content"])

    @property
    def message(self) -> str:
        return str(self.body["messages"][-1]["content"])

    @property
    def data(self) -> str:
        """Return what stands between the delimiters, as it was before."""
        text = self.message.removeprefix("<data>\n").removesuffix("\n</data>")
        return unescape(text)

    @property
    def rows(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.data.splitlines()]

    @property
    def schema(self) -> dict[str, Any]:
        if self.vendor == "anthropic":
            return dict(self.body["output_config"]["format"]["schema"])
        return dict(self.body["response_format"]["json_schema"]["schema"])

    @property
    def options(self) -> list[str]:
        return list(self.schema["properties"]["choice"]["anyOf"][0]["enum"])


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. Without a status it is a reply all the same."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""  # of the error, in the vendor's words
    text: str | None = None  # what the model wrote, instead of what its schema says
    stop: str = ""  # refused, truncated
    raw: bytes | None = None  # the whole body
    content_type: str = "application/json"
    hangs: bool = False


@dataclass
class LanguageModel:
    """The stand-in. ``answer`` decides; ``faults`` come first, one for each request."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    answer: Callable[[Asked], str | None] = lambda asked: None
    closing: threading.Event = field(default_factory=threading.Event)

    def base_url(self, vendor: str) -> str:
        return f"{self.url}/v1" if vendor == "openai" else self.url

    def reply(
        self, vendor: str, headers: dict[str, str], body: dict[str, Any]
    ) -> tuple[Fault, bytes]:
        asked = Asked(vendor, headers, body)
        self.asked.append(asked)
        fault = self.faults.popleft() if self.faults else Fault()
        if fault.hangs:
            self.closing.wait(60)
        if fault.status == 200 and key_of(headers) != KEY:
            fault = Fault(401, code=WRONG_KEY[vendor])
        elif fault.status == 200 and body["model"] != MODELS[vendor]:
            fault = Fault(404, code=UNKNOWN_MODEL[vendor])
        if fault.raw is not None:
            return fault, fault.raw
        if fault.status != 200:
            return fault, json.dumps(error(vendor, fault, headers, body)).encode()
        text = fault.text
        if text is None:
            text = json.dumps({"choice": self.answer(asked)})
        make = completion if vendor == "openai" else message
        return fault, json.dumps(make(text, fault.stop)).encode()


WRONG_KEY = {"openai": "invalid_api_key", "anthropic": "authentication_error"}
UNKNOWN_MODEL = {"openai": "model_not_found", "anthropic": "not_found_error"}


def key_of(headers: dict[str, str]) -> str:
    """Return the key: Anthropic's servers take it either way, its SDK has sent both."""
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return bearer or headers.get("x-api-key", "")


def completion(text: str, stop: str) -> dict[str, Any]:
    """Return a ChatCompletion: platform.openai.com/docs/api-reference/chat/object."""
    refused = stop == "refused"
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": f"{MODELS['openai']}-2026-01-01",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None if refused else text,
                    "refusal": "I can't help with that." if refused else None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "length" if stop == "truncated" else "stop",
            }
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 9, "total_tokens": 129},
        "service_tier": "default",
    }


def message(text: str, stop: str) -> dict[str, Any]:
    """Return a Message: platform.claude.com/docs/en/api/messages."""
    stops = {"refused": "refusal", "truncated": "max_tokens"}
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": MODELS["anthropic"],
        "content": [] if stop == "refused" else [{"type": "text", "text": text}],
        "stop_reason": stops.get(stop, "end_turn"),
        "stop_sequence": None,
        "usage": {"input_tokens": 120, "output_tokens": 9},
    }


def error(
    vendor: str, fault: Fault, headers: dict[str, str], body: dict[str, Any]
) -> dict[str, Any]:
    """Return an error that quotes key and question, as an unkind server might."""
    said = f"{key_of(headers)} asked {body['messages']}"
    if vendor == "openai":
        kind = {"message": said, "type": fault.code, "param": None, "code": fault.code}
        return {"error": kind}
    kind = {"type": fault.code or "api_error", "message": said}
    return {
        "type": "error",
        "error": kind,
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    }


@contextmanager
def language_model() -> Iterator[LanguageModel]:
    """Run the stand-in on a free port while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = json.loads(self.rfile.read(length))
            headers = {name.lower(): value for name, value in self.headers.items()}
            fault, said = model.reply(PATHS[self.path], headers, body)
            self.send_response(fault.status)
            ids = {"x-request-id": "req_1", "request-id": "req_1"}
            for name, value in {
                "content-type": fault.content_type,
                "content-length": str(len(said)),
                "connection": "close",
                **ids,
                **fault.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    model = LanguageModel(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield model
    finally:
        model.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
