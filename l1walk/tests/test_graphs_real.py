"""Flowcharts that people really walk: imported, sound, drawn and walkable."""

import os
from collections import deque
from pathlib import Path

import pytest

from l1walk.graphs.definition import TERMINALS, Severity
from l1walk.graphs.drawing import draw
from l1walk.graphs.exporting import to_dot, to_json_text, to_mermaid
from l1walk.graphs.importing import read_flow
from l1walk.graphs.outline import outline
from l1walk.graphs.validate import find_problems, targets

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HANDRAIL_DATA", REPOSITORY.parent / "shared" / "data"))
SIZES = {"000-IDE": 21, "001-turret": 27, "002-domino": 22, "004-sandy": 27}


@pytest.fixture(params=SIZES)
def imported(request):
    path = DATA / "flows" / f"{request.param}.mmd"
    if not path.exists():
        message = f"{path} is missing: set HANDRAIL_DATA to the folder of real data"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return read_flow(path.name, path.read_bytes())


def test_every_node_and_link_of_the_file_is_there(imported):
    assert imported.format == "mermaid"
    assert len(imported.definition.nodes) == SIZES[imported.title]
    assert "not_understood" not in {problem.code for problem in imported.problems}
    links = sum(len(node.answers) for node in imported.definition.nodes)
    path = DATA / "flows" / f"{imported.title}.mmd"
    assert links == path.read_text().count("-->")


def test_there_are_no_errors(imported):
    assert find_problems(imported.definition) == []
    assert {problem.severity for problem in imported.problems} == {Severity.WARNING}
    assert all(problem.line or problem.node_id for problem in imported.problems)


def test_a_walk_to_each_end_exists(imported):
    flow = imported.definition
    root = flow.node(flow.root)
    assert root is not None
    walks = {root.id: [root]}
    waiting = deque([root])
    while waiting:
        node = waiting.popleft()
        for target in targets(node, flow):
            if target.id not in walks:
                walks[target.id] = [*walks[node.id], target]
                waiting.append(target)
    ends = [node for node in flow.nodes if node.type in TERMINALS]
    assert ends
    for end in ends:
        assert walks[end.id][0] is root
        assert all(step.answers for step in walks[end.id][:-1])


def test_it_is_drawn_and_outlined(imported):
    svg = draw(imported.definition)
    assert svg is not None
    assert svg.count('class="node ') == len(imported.definition.nodes)
    full = [item.node for item in outline(imported.definition) if not item.repeated]
    assert {node.id for node in full} == {node.id for node in imported.definition.nodes}
    assert len(full) == len(imported.definition.nodes)


@pytest.mark.parametrize("export", [to_json_text, to_mermaid, to_dot])
def test_it_comes_back_unchanged_from_every_export(imported, export):
    again = read_flow("again", export(imported.title, imported.definition).encode())
    assert (again.definition, again.title) == (imported.definition, imported.title)
    assert again.problems == []
