"""Importing files through the page and the command: drafts with lists, or refusals."""

import json
import os
from collections import deque
from io import StringIO
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from l1walk.actions.drafting import blank_definition, draft_of
from l1walk.actions.escalations import escalate_walk
from l1walk.actions.walks import resolve_walk
from l1walk.graphs.definition import TERMINALS, EscalationCategory, NodeType
from l1walk.graphs.exporting import to_json_text
from l1walk.models import Flow, L1WalkSession
from l1walk.tests.make import give, make_walk
from l1walk.tests.make_flows import data_file, node_form, node_of, now, url, words
from tests.conftest import signed_in
from workflows.core.ids import uuid7

REAL = ["000-IDE.mmd", "001-turret.mmd", "002-domino.mmd", "004-sandy.mmd"]


@pytest.fixture
def author(egon):
    return signed_in(egon)


def upload(client, name, data, **over):
    if isinstance(data, str):
        data = data.encode()
    form = {"key": str(uuid7()), "file": SimpleUploadedFile(name, data)} | over
    return client.post(url("flow_import"), form)


def imported(response) -> Flow:
    assert response.status_code == 303
    return Flow.objects.get(pk=response.url.strip("/").split("/")[-1])


def shortest_paths(graph):
    """Return, for each end, the keys that lead from the first node to it."""
    paths, waiting = {graph.root: ()}, deque([graph.root])
    while waiting:
        node = graph.node(waiting.popleft())
        for answer in node.answers:
            if answer.to not in paths:
                paths[answer.to] = (*paths[node.id], answer.key)
                waiting.append(answer.to)
    return {n.id: paths[n.id] for n in graph.nodes if n.type in TERMINALS}


# --- real files -----------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_real_flows_are_mended_published_and_walked_to_every_end(
    name, account, author, alice, mona
):
    data = data_file(name)
    if data is None:
        assert os.environ.get("CI") != "true", f"{name} is missing"
        pytest.skip(f"{name} is not on this machine (HANDRAIL_DATA)")
    flow = imported(upload(author, name, data))
    assert flow.state == Flow.State.DRAFT
    page = author.get(url("flow", flow))
    for note in flow.draft_notes:
        assert note["message"] in [p.message for p in page.context["problems"].noticed]
    mend(author, flow, page)
    signed_in(mona).post(
        url("flow_publish", flow), {"revision": now(flow).draft_revision}
    )
    flow = now(flow)
    assert flow.state == Flow.State.PUBLISHED
    graph = draft_of(flow)
    ends = shortest_paths(graph)
    assert len(ends) > 1
    for end, keys in ends.items():
        walk = give(make_walk(account, alice, flow), alice, *keys)
        node = walk.current_node
        assert node.id == end
        if node.type == NodeType.RESOLVED:
            resolve_walk(walk, by=alice, version=walk.version)
        else:
            category = node.category or EscalationCategory.STEPS_EXHAUSTED
            escalate_walk(
                walk, by=alice, version=walk.version, category=category, reason=""
            )
    open_walks = L1WalkSession.objects.filter(status="active")
    assert not open_walks.exists()


def mend(author, flow, page):
    """Do in the editor what the list of errors asks for; the real files have few."""
    errors = [p for p in page.context["problems"].found if p.severity == "error"]
    assert len(errors) <= 3
    for problem in errors:
        node = node_of(flow, problem.url.partition("node=")[2])
        assert "never reached" in problem.message or "never gets" in problem.message
        sent = {"node": node.id, "base": node_form(node)["base"]}
        assert author.post(url("flow_node_delete", flow), sent).status_code == 303


# --- files of ours --------------------------------------------------------------------


def test_an_export_comes_back_whole(author, egon):
    text = to_json_text(
        "Printer jams",
        blank_definition(),
        category="printer",
        summary="When paper is stuck.",
        keywords="paper jam",
    )
    flow = imported(upload(author, "x.json", text))
    said = (flow.title, flow.category, flow.summary, flow.keywords)
    assert said == ("Printer jams", "printer", "When paper is stuck.", "paper jam")
    assert (draft_of(flow), flow.draft_notes) == (blank_definition(), [])
    exported = author.get(url("flow_export", flow, format="json")).content.decode()
    assert exported == text


def test_the_same_upload_twice_is_one_flow(author):
    key = str(uuid4())
    text = to_json_text("Once", blank_definition())
    first = upload(author, "x.json", text, key=key)
    again = upload(author, "x.json", text, key=key)
    assert first.url == again.url
    assert Flow.objects.count() == 1


# --- hostile files --------------------------------------------------------------------


def deep_json(levels: int) -> str:
    return '{"nodes":' + "[" * levels + "]" * levels + "}"


REFUSED = {
    "binary.mmd": b"\x7fELF\x00\x01\x02" * 100,
    "latin1.mmd": "flowchart TD\n a[Größe]".encode("latin-1"),
    "utf16.mmd": "flowchart TD\n a --> b".encode("utf-16"),
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "many.mmd": "flowchart TD\n" + "\n".join(f"n{n}[x]" for n in range(100_000)),
    "many.dot": "digraph {" + ";".join(f"n{n}" for n in range(100_000)) + "}",
    "many.json": json.dumps({"nodes": [{"id": f"n{n}"} for n in range(50_000)]}),
    "large.json": "{" + " " * 1_000_001 + "}",
    "deep.json": deep_json(100_000),
    "broken.json": '{"nodes": [',
    "sequence.mmd": "sequenceDiagram\n Alice->>Bob: hello",
    "words.txt": "Dear colleagues,\nplease restart the printer.",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_flow_is_refused_beside_the_file(name, author):
    response = upload(author, name, REFUSED[name])
    assert response.status_code == 422
    assert response.context["form"].errors["file"]
    assert not Flow.objects.exists()


def test_no_file_and_an_empty_file_are_refused(author):
    assert author.post(url("flow_import"), {"key": str(uuid7())}).status_code == 422
    assert upload(author, "x.mmd", b"").status_code == 422
    assert "The file is empty. Choose another" in words(upload(author, "x.mmd", b""))


def test_operators_have_no_account_to_import_into(django_user_model):
    olga = django_user_model.objects.create_superuser("olga")
    response = upload(signed_in(olga), "x.mmd", "flowchart TD\n a --> b")
    assert response.status_code == 422
    assert "Operators belong to no account" in words(response)


LISTED = {
    "cyclic.mmd": (
        "flowchart TD\n a{Again?} -->|Yes| b{Sure?}\n a -->|No| b\n b -->|Yes| a\n"
        " b -->|No| a",
        ["The flow never ends"],
    ),
    "dangling.json": (
        to_json_text("D", blank_definition()).replace('"to": "n3"', '"to": "n9"'),
        ["leads to a node that does not exist", "is never reached"],
    ),
    "roots.mmd": (
        "flowchart TD\n a{One?} -->|Yes| c[End]\n a -->|No| d[Stop]\n b{Two?} -->|Y| c"
        "\n b -->|N| d",
        ["is a second start", "is never reached"],
    ),
    "labels.mmd": (
        'flowchart TD\n a["<b>Is it</b> on?<br/><img src=x onerror=alert(1)>"]'
        " -->|<i>Yes</i>| b[Fine]\n a -->|No| c[Call us]",
        [],
    ),
    "html.dot": (
        "digraph { a [label=<<b>Is it</b> on?>]; a -> b [label=Yes]; a -> c; }",
        [],
    ),
}


@pytest.mark.parametrize("name", LISTED)
def test_what_is_odd_becomes_a_draft_with_a_list(name, author, mona):
    data, expected = LISTED[name]
    flow = imported(upload(author, name, data))
    page = author.get(url("flow", flow) + "?all=1")
    text = words(page)
    assert "To look at" in text
    for said in expected:
        assert said in text
    assert "<img src=x" not in page.content.decode()
    assert author.get(url("flow_edit", flow)).status_code == 200
    assert author.get(url("flow_preview", flow)).status_code == 200
    sent = {"revision": flow.draft_revision}
    status = signed_in(mona).post(url("flow_publish", flow), sent).status_code
    assert status == (409 if expected else 303)


def test_a_large_flow_opens_in_the_editor_with_all_its_problems(author):
    lines = [f" n{n}[Step {n}] --> n{n + 1}" for n in range(1_500)]
    flow = imported(upload(author, "long.mmd", "flowchart TD\n" + "\n".join(lines)))
    page = author.get(url("flow", flow))
    assert "The map cannot be drawn" in words(page)
    page = author.get(url("flow_edit", flow), {"node": "n700"})
    assert "Step 700" in words(page)
    loose = "flowchart TD\n a{?} -->|x| b\n" + "\n".join(f" c{n}" for n in range(900))
    flow = imported(upload(author, "loose.mmd", loose))
    page = author.get(url("flow", flow))
    assert "Show " in words(page)
    assert (
        words(author.get(url("flow", flow) + "?all=1")).count("is never reached") == 900
    )


# --- the command ----------------------------------------------------------------------


def run(path, *options, account="acme"):
    out = StringIO()
    call_command("import_flow", str(path), "--account", account, *options, stdout=out)
    return out.getvalue()


def test_the_command_does_the_same(account, tmp_path):
    path = tmp_path / "vpn.mmd"
    path.write_text("flowchart TD\n a{Works?} --> b[Fine]\n a --> c[Call us]\n a --> ")
    out = run(path)
    assert "warning: Line 4 was not understood" in out
    assert "(line 4)" in out
    flow = Flow.objects.get()
    assert (flow.account, flow.state) == (account, Flow.State.DRAFT)
    assert str(flow.pk) in out
    assert [move.actor_name for move in flow.moves()] == ["Handrail"]


def test_the_command_publishes(account, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(to_json_text("Printer", blank_definition()))
    assert "Version 1 is published." in run(path, "--publish")
    assert Flow.objects.get().state == Flow.State.PUBLISHED


def test_the_command_keeps_a_draft_with_errors(account, tmp_path):
    path = tmp_path / "x.json"
    text = to_json_text("Printer", blank_definition())
    path.write_text(text.replace('"to": "n3"', '"to": ""'))
    with pytest.raises(CommandError, match=r"errors\. The draft is kept") as error:
        run(path, "--publish")
    assert error.value.returncode == 1
    assert Flow.objects.get().state == Flow.State.DRAFT


def test_the_command_says_why_not(account, tmp_path):
    path = tmp_path / "x.mmd"
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run(path)
    path.write_bytes(b"\0")
    with pytest.raises(CommandError, match=r"was refused\. This is not a text file"):
        run(path)
    path.write_bytes(b" " * 1_000_001)
    with pytest.raises(CommandError, match="larger than 1000 kB"):
        run(path)
    with pytest.raises(CommandError, match="There is no account “nowhere”"):
        run(path, account="nowhere")
    assert not Flow.objects.exists()
