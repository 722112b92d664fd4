import json

from tests.unit.clients.conftest import Opscore
from tests.unit.clients.fake_api import FakeOpsCore, a_letter


def test_dead_letters_are_listed_and_shown(api: FakeOpsCore, opscore: Opscore) -> None:
    api.dead_letters["d-1"] = a_letter("d-1")

    assert opscore("dead-letter", "list").stdout == (
        "d-1\topen\ttriage\tcollect\ttext.collect\ts-1\t2 min ago\tUndelivered\n"
    )
    assert "receiveCount\t6\n" in opscore("dead-letter", "show", "d-1").stdout


def test_dead_letters_are_filtered(api: FakeOpsCore, opscore: Opscore) -> None:
    api.dead_letters = {
        "d-1": a_letter("d-1", workflowId="other"),
        "d-2": a_letter("d-2", state="discarded"),
        "d-3": a_letter("d-3"),
    }

    found = opscore("dead-letter", "list", "--workflow", "triage", "--state", "open").stdout
    assert [line.split("\t")[0] for line in found.splitlines()] == ["d-3"]
    opscore("dead-letter", "list", "--since", "2h", "--until", "2026-11-22T10:00:00+00:00")
    assert api.seen[-1].query["since"] == "2026-11-22T08:05:00+00:00"
    assert api.seen[-1].query["until"] == "2026-11-22T10:00:00+00:00"


def test_a_time_that_is_none_is_wrong_usage(opscore: Opscore) -> None:
    result = opscore("dead-letter", "list", "--since", "soon")

    assert result.exit_code == 2
    assert result.stderr == (
        "opscore: --since: 'soon' is neither a duration such as 2h nor a time in ISO 8601\n"
    )


def test_alike_ones_stand_together_over_all_pages(api: FakeOpsCore, opscore: Opscore) -> None:
    for number in range(130):
        api.dead_letters[f"d-{number}"] = a_letter(f"d-{number}")
    api.dead_letters["other"] = a_letter("other", fingerprint="f-2", error="NoTask")

    rows = [
        line.split("\t") for line in opscore("dead-letter", "list", "--group").stdout.split("\n")
    ]

    assert [(row[0], row[4], row[-1]) for row in rows[:2]] == [
        ("130", "Undelivered", "d-0"),
        ("1", "NoTask", "other"),
    ]
    groups = json.loads(opscore("dead-letter", "list", "--group", "--json").stdout)["items"]
    assert groups[0]["count"] == 130


def test_the_inputs_of_two_are_compared(
    api: FakeOpsCore, opscore: Opscore, at_terminal: dict[str, str]
) -> None:
    api.dead_letters = {name: a_letter(name) for name in ("d-1", "d-2")}

    assert opscore("dead-letter", "compare", "d-1", "d-2").stdout.splitlines() == [
        '$.text\t"a"\t-',
        "$.n\t1\t2",
    ]
    heading = opscore("dead-letter", "compare", "d-1", "d-2", env=at_terminal).stdout.split("\n")[0]
    assert heading.split() == ["path", "d-1", "d-2"]


def test_dead_letters_are_discarded_for_a_reason(api: FakeOpsCore, opscore: Opscore) -> None:
    api.dead_letters = {name: a_letter(name) for name in ("d-1", "d-2")}

    result = opscore("dead-letter", "discard", "d-1", "d-2", "--reason", "of no use")

    assert [line.split("\t")[:2] for line in result.stdout.splitlines()] == [
        ["d-1", "discarded"],
        ["d-2", "discarded"],
    ]
    assert api.dead_letters["d-1"]["settledBecause"] == "of no use"
    again = opscore("dead-letter", "discard", "d-1", "--reason", "another")
    assert (again.exit_code, "discarded already" in again.stderr) == (1, True)
    assert opscore("dead-letter", "discard", "d-1").exit_code == 2


# ---- replayed


def test_a_dead_letter_is_replayed_onto_an_agent(api: FakeOpsCore, opscore: Opscore) -> None:
    api.dead_letters = {"d-1": a_letter("d-1")}

    result = opscore("dead-letter", "replay", "d-1", "--to-agent", "good", "--version", "current")

    assert result.stdout == "d-1\tagain-d-1\tcollect\tfirst, second\tgood\treplayed\n"
    assert api.seen[-1].json() == {
        "agentId": "good",
        "workflowVersion": "current",
        "dryRun": False,
    }


def test_dead_letters_are_replayed_by_filter_over_all_pages(
    api: FakeOpsCore, opscore: Opscore
) -> None:
    api.dead_letters = {f"d-{n}": a_letter(f"d-{n}") for n in range(5)}
    api.dead_letters["d-9"] = a_letter("d-9", sessionId=None)

    result = opscore("dead-letter", "replay", "--workflow", "triage", "--dry-run", "--version", "2")

    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == ["d-0", "d-1", "d-2", "d-3", "d-4", "d-9"]
    assert rows[0][1:] == ["-", "collect", "first, second", "-", "would be replayed"]
    assert rows[-1][-1] == "not_replayable: the dead letter is no task's"
    assert (result.exit_code, result.stderr) == (
        1,
        "opscore: 1 of 6 dead letters can't be replayed\n",
    )
    assert api.seen[0].json() == {
        "workflowId": "triage",
        "workflowVersion": 2,
        "dryRun": True,
        "all": False,
    }


def test_all_open_ones_are_replayed_only_when_that_is_said(
    api: FakeOpsCore, opscore: Opscore
) -> None:
    api.dead_letters = {"d-1": a_letter("d-1")}

    assert opscore("dead-letter", "replay").exit_code == 2
    assert opscore("dead-letter", "replay", "d-1", "--all").exit_code == 2
    wrong = opscore("dead-letter", "replay", "d-1", "--to-agent", "a", "--to-capability", "c")
    assert wrong.exit_code == 2
    assert api.seen == []

    done = json.loads(opscore("dead-letter", "replay", "--all", "--json").stdout)
    assert [one["sessionId"] for one in done["items"]] == ["again-d-1"]
    assert api.seen[-1].json() == {"dryRun": False, "all": True}
