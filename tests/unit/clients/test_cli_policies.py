import json

from tests.unit.clients.conftest import Opscore
from tests.unit.clients.fake_api import FakeOpsCore, a_policy


def test_limits_are_set_and_shown(api: FakeOpsCore, opscore: Opscore) -> None:
    result = opscore(
        "policy", "set", "capability", "text/sum up", "--max-concurrent", "5", "--rate", "0.5"
    )

    assert api.seen[0].query == {"name": "text/sum up"}
    assert api.seen[0].json()["ratePerSecond"] == 0.5
    assert "at once\t5" in result.stdout
    assert (
        json.loads(opscore("policy", "show", "capability", "text/sum up", "--json").stdout)
        == (api.policies["capability", "text/sum up"])
    )


def test_capabilities_and_workflows_are_paused_and_resumed(
    api: FakeOpsCore, opscore: Opscore
) -> None:
    said = [
        opscore("capability", "pause", "sum", "--reason", "maintenance").stdout,
        opscore("workflow", "pause", "triage").stdout,
        opscore("capability", "resume", "sum").stdout,
        opscore("workflow", "resume", "triage").stdout,
    ]

    assert said == [
        "capability sum: paused\n",
        "workflow triage: paused\n",
        "capability sum: not paused\n",
        "workflow triage: not paused\n",
    ]
    assert api.seen[0].json() == {"reason": "maintenance"}


def test_policies_are_listed_and_cleared(api: FakeOpsCore, opscore: Opscore) -> None:
    api.policies["workflow", "triage"] = a_policy("workflow", "triage", maxConcurrent=3)

    listed = opscore("policy", "list", "--kind", "workflow").stdout
    cleared = opscore("policy", "clear", "workflow", "triage").stdout

    assert listed == "workflow\ttriage\tno\t3\t-\t5 min ago\tmia\t-\n"
    assert cleared == "workflow triage: no limits\n"
