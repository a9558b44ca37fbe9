"""Client and stand-in speak as Atlassian's description of Jira Cloud says.

Data Center has no such description: its API is the one that Cloud's grew from, and the
stand-in tells the two apart only in how people are named and how they log in.
"""

import io
import json
import os
import re
from contextlib import suppress
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.jira import EMAIL, TOKEN, jira_server
from workflows.core.jira import (
    InvalidCredentials,
    JiraProblem,
    Kind,
    NotFound,
)
from workflows.core.jira.client import Jira
from workflows.core.jira.reading import as_attachment, as_limit, as_person
from workflows.core.secrets import Secret

REPOSITORY = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("HANDRAIL_DATA", REPOSITORY.parent / "shared" / "data"))
# What every request has, whatever it asks.
USUAL = {
    *("accept", "accept-encoding", "authorization", "connection", "host", "user-agent"),
    *("content-length", "content-type"),
}


@pytest.fixture(scope="module")
def described():
    """Atlassian's description, its schemas in the words of plain JSON Schema."""
    path = DATA / "jira-v3.json"
    if not path.exists():
        message = f"{path} is missing: set HANDRAIL_DATA to the folder of real data"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return json.loads(path.read_bytes(), object_hook=plain)


def plain(schema):
    """Turn OpenAPI's own ``nullable`` into a type."""
    if schema.get("nullable") is True and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def operation(described, asked):
    """Return what is described for the request: its path and its method."""
    found = [
        path
        for path in described["paths"]
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), asked.path)
    ]
    # A path that stands there as it is comes before one with a place for any id.
    path = min(found, key=lambda path: path.count("{"))
    return described["paths"][path][asked.method.lower()]


def check(described, schema, body):
    """Hold the body against a schema that points into the description."""
    whole = {"allOf": [schema], "components": described["components"]}
    jsonschema.Draft4Validator(whole).validate(body)


def attach(jira, key):
    file = io.BytesIO(b"x")
    jira.attach(key, file, name="a", size=1, progress=lambda sent: None)


@pytest.fixture(scope="module")
def conversation():
    """Everything that the client ever asks, and each answer."""
    with jira_server(kind=Kind.CLOUD) as server:
        server.add_issue("ABC-1")
        with Jira(server.credentials(), ca_file=server.ca_file) as jira:
            jira.myself()
            jira.upload_limit()
            attach(jira, "ABC-1")
            jira.issue("ABC-1")
            assert jira.find_attachment("ABC-1", "a", 1, since_ids=())
    assert len(server.requests) == 5
    return server.requests


def test_what_we_ask_is_described(described, conversation):
    for asked in conversation:
        found = operation(described, asked)
        parameters = {
            parameter["name"]: parameter
            for parameter in found.get("parameters", [])
            if parameter["in"] == "query"
        }
        assert asked.query.keys() <= parameters.keys()
        required = {name for name, each in parameters.items() if each.get("required")}
        assert required <= asked.query.keys()
        assert not found.get("deprecated")


def test_how_we_log_in_is_described(described, conversation):
    schemes = described["components"]["securitySchemes"]
    for asked in conversation:
        names = {
            name for each in operation(described, asked)["security"] for name in each
        }
        assert "basicAuth" in names
        assert schemes["basicAuth"] == schemes["basicAuth"] | {"scheme": "basic"}
        assert asked.headers["authorization"].startswith("Basic ")


def test_the_headers_and_bodies_we_send_are_described(described, conversation):
    for asked in conversation:
        found = operation(described, asked)
        extra = asked.headers.keys() - USUAL
        if "requestBody" not in found:
            assert asked.method == "GET"
            assert not extra
            assert asked.size == 0
            continue
        content_type = asked.headers["content-type"].partition(";")[0]
        assert [content_type] == list(found["requestBody"]["content"])
        assert extra == {"x-atlassian-token"}
        header = f"X-Atlassian-Token: {asked.headers['x-atlassian-token']}"
        assert f"must have a `{header}` header" in found["description"]
        # The stand-in takes no part of another name.
        assert "contains the attachments must be `file`" in found["description"]


def test_fields_are_asked_as_described(described, conversation):
    for asked in conversation:
        if "fields" in asked.query:
            [parameter] = [
                each
                for each in operation(described, asked)["parameters"]
                if each["name"] == "fields"
            ]
            assert "comma-separated list" in parameter["description"]
            check(described, parameter["schema"], asked.query["fields"].split(","))


def test_what_the_stand_in_answers_is_described(described, conversation):
    for asked in conversation:
        content = operation(described, asked)["responses"][str(asked.status)]["content"]
        schema = content["application/json"]["schema"]
        check(described, schema, json.loads(asked.answer))


def test_the_check_sees_what_is_not_described(described):
    schema = {"$ref": "#/components/schemas/AttachmentSettings"}
    for body in ({"enabled": "yes"}, {"uploadLimit": 1.5}, {"limit": 7}, []):
        with pytest.raises(jsonschema.ValidationError):
            check(described, schema, body)


def test_how_the_stand_in_refuses_is_described(described):
    with jira_server(kind=Kind.CLOUD) as server:
        server.add_issue("ABC-1", writers=set())
        server.add_issue("ABC-2")
        server.add_issue("SEC-1", readers=set())
        server.upload_limit = 0

        def ask_everything(token):
            credentials = server.credentials(token=Secret(token))
            with Jira(credentials, ca_file=server.ca_file) as jira:
                for ask in (jira.myself, jira.upload_limit):
                    with suppress(InvalidCredentials):
                        ask()
                for key in ("ABC-1", "SEC-1"):
                    with suppress(InvalidCredentials, NotFound):
                        jira.issue(key)
                for key in ("ABC-1", "ABC-2", "SEC-1", "NO-1"):
                    with pytest.raises(JiraProblem):
                        attach(jira, key)

        ask_everything(TOKEN)
        ask_everything("wrong")
    refused = [asked for asked in server.requests if asked.status >= 400]
    assert {asked.status for asked in refused} == {401, 403, 404, 413}
    assert len(refused) == 13
    for asked in refused:
        assert str(asked.status) in operation(described, asked)["responses"]
        errors = {"$ref": "#/components/schemas/ErrorCollection"}
        check(described, errors, json.loads(asked.answer))


def test_we_understand_the_examples_that_are_given(described):
    def example(method, path):
        answer = described["paths"][f"/rest/api/3{path}"][method]["responses"]["200"]
        return json.loads(answer["content"]["application/json"]["example"])

    assert as_person(example("get", "/myself")).email == "mia@example.com"
    assert EMAIL != "mia@example.com"
    assert as_limit(example("get", "/attachment/meta")) == 1_000_000
    issue = example("get", "/issue/{issueIdOrKey}")
    [attachment] = [as_attachment(each) for each in issue["fields"]["attachment"]]
    assert (attachment.id, attachment.size) == ("10000", 23123)
    made, _another = example("post", "/issue/{issueIdOrKey}/attachments")
    assert as_attachment(made).author_id == "5b10a2844c20165700ede21g"
