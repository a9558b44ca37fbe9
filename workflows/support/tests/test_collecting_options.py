"""What may be chosen about a report, and the words of its failures."""

from __future__ import annotations

import pytest

from workflows.core.errors import AdminRequired, Problem, Temporary, UserFixable
from workflows.support.collecting import problems
from workflows.support.collecting.options import ReportOptions
from workflows.support.collecting.problems import (
    DependencyMissing,
    PrivilegeRequired,
    ReportProblem,
    ValidationFailed,
)
from workflows.support.tests.conftest import SHIPPED

CODES = {
    "validation_error": UserFixable,
    "dependency_missing": AdminRequired,
    "privilege_required": AdminRequired,
    "timeout": UserFixable,
    "disk_full": AdminRequired,
    "archive_not_found": UserFixable,
    "path_unsafe": AdminRequired,
    "copy_failed": Temporary,
    "artifact_too_large": UserFixable,
    "host_unreachable": Temporary,
    "host_key_changed": AdminRequired,
    "canceled": UserFixable,
    "unexpected_error": AdminRequired,
}


@pytest.mark.parametrize(
    "chosen",
    [
        {"only": ("../x",)},
        {"only": ("",)},
        {"enable": ("host\n",)},
        {"disable": ("a,b",)},
        {"enable": ("x",) * 501},
        {"only": ("host",), "enable": ("login",)},
        {"only": ("host",), "disable": ("login",)},
        {"only": ("host", "login"), "clean": True},
        {"log_size": 0},
        {"log_size": 1025},
        {"label": "a_b"},
        {"label": "a\n"},
        {"case_id": "a/b"},
    ],
)
def test_what_does_not_go_is_explained(chosen):
    with pytest.raises(ValidationFailed) as refused:
        ReportOptions(**chosen)
    assert refused.value.code == "validation_error"
    assert "Nothing was started." in str(refused.value)


def test_nothing_chosen_is_nothing_said():
    assert ReportOptions().argv() == []


def test_each_choice_is_one_word():
    assert ReportOptions(only=("host", "login", "networking"), clean=True).argv() == [
        "--only=host,login,networking",
        "--clean",
    ]
    chosen = ReportOptions(
        enable=("a",), disable=("-b", "c"), log_size=5, label="-l", case_id="c_1"
    )
    assert chosen.argv() == [
        *("--enable=a", "--disable=-b,c", "--log-size=5", "--label=-l"),
        "--case-id=c_1",
    ]


def test_every_code_has_its_category_and_says_what_is_kept_and_to_be_done():
    found = {}
    for problem in vars(problems).values():
        if isinstance(problem, type) and "code" in vars(problem):
            found[problem.code] = problem
    assert found.keys() == CODES.keys() | {"read_failed"}
    for code, category in CODES.items():
        assert issubclass(found[code], category), code
        assert issubclass(found[code], ReportProblem)
        assert str(found[code].words).count(". ") >= 2, code
    assert issubclass(problems.ReadFailed, Temporary)
    assert issubclass(problems.ArchiveDamaged, UserFixable)
    assert all(issubclass(problem, Problem) for problem in found.values())


def test_what_installs_sos_is_shown():
    assert "apt-get install sosreport" in str(
        DependencyMissing("apt-get install sosreport")
    )
    assert str(DependencyMissing()) == str(DependencyMissing.words)


def test_what_gives_the_right_is_shown():
    here = PrivilegeRequired("handrail")
    assert here.command == f"sh {SHIPPED}/install.sh handrail"
    assert here.command in str(here)
    assert here.rule in (SHIPPED / "sudoers").read_text().replace("@USER@", "handrail")
    assert here.rule.startswith(
        "handrail ALL=(root) NOPASSWD: /usr/local/sbin/handrail-sos check,"
    )
    there = PrivilegeRequired("handrail", local=False)
    assert there.command == "sh install.sh handrail"
    assert str(SHIPPED) in str(there)
    assert PrivilegeRequired().rule == ""
