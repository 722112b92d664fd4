from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opscore.workflows.names import MAX_NAME, message_group, result_variable, state_name

TRICKY = st.text(alphabet="a_2d-é", min_size=1, max_size=12)
IDS = st.text(min_size=1, max_size=MAX_NAME).filter(lambda text: text.isprintable())


@pytest.mark.parametrize(
    ("task_id", "variable"),
    [
        ("classify", "t_classify"),
        ("step_1", "t_step_1"),
        ("cool-down.v2", "t_cool_2d_down_2e_v2"),
        ("cool_2d_down", "t_cool_5f_2d_down"),
        ("größe", "t_gr_f6__df_e"),
        ("任务 1", "t__4efb__52a1__20_1"),
    ],
)
def test_variables_can_be_read(task_id: str, variable: str) -> None:
    assert result_variable(task_id) == variable


@given(TRICKY | IDS, TRICKY | IDS)
def test_two_ids_never_share_a_variable(one: str, other: str) -> None:
    assert (result_variable(one) == result_variable(other)) == (one == other)


@given(IDS)
def test_variables_are_identifiers_that_aws_takes(task_id: str) -> None:
    assert re.fullmatch(r"t_[A-Za-z0-9_]{1,78}", result_variable(task_id))


@given(IDS, st.sets(IDS))
def test_state_names_are_new_and_short_enough(task_id: str, others: set[str]) -> None:
    taken = set(others)
    for _ in range(3):
        name = state_name(task_id, "fallback", taken)
        assert name not in taken
        assert len(name) <= MAX_NAME
        taken.add(name)


@given(st.text(min_size=1, max_size=128))
def test_message_groups_are_what_sqs_takes(workflow_id: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", message_group(workflow_id))


def test_a_plain_workflow_id_is_its_own_group_and_others_stay_apart() -> None:
    assert message_group("incident-triage") == "incident-triage"
    assert message_group("任务") != message_group("事件")
