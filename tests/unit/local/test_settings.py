"""What a person can choose about the local stack."""

from pathlib import Path

import pytest

from infra.local.errors import LocalStackError
from infra.local.settings import ROOT, LocalSettings


def test_nothing_chosen_is_the_default() -> None:
    settings = LocalSettings.read({"PORT": "", "AGENTKIT_API_URL": ""})

    assert settings == LocalSettings()
    assert settings.directory == ROOT / ".local"
    assert settings.port == 8080


def test_everything_can_be_chosen(tmp_path: Path) -> None:
    settings = LocalSettings.read(
        {
            "OPSCORE_LOCAL_DIR": str(tmp_path),
            "PORT": "8090",
            "AGENTKIT_API_URL": "http://127.0.0.1:9000/v1",
            "DISPATCH_TRANSPORT": "direct",
            "AGENTKIT_OFFER_AGENTS": "true",
            "AGENTS": "good broken",
            "PARAMETERS": "DrainSeconds=3 MaxReceiveCount=2",
            "WAIT_SCALE": "0.5",
        }
    )

    assert settings == LocalSettings(
        directory=tmp_path,
        port=8090,
        agentkit_url="http://127.0.0.1:9000/v1",
        transport="direct",
        offer_agents=True,
        agents=("good", "broken"),
        parameters={"DrainSeconds": "3", "MaxReceiveCount": "2"},
        wait_scale=0.5,
    )


def test_agents_may_be_none() -> None:
    assert LocalSettings.read({"AGENTS": "none"}).agents == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("DISPATCH_TRANSPORT", "post"),
        ("PARAMETERS", "DrainSeconds"),
        ("AGENTS", "good lazy"),
        ("WAIT_SCALE", "fast"),
    ],
)
def test_bad_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(LocalStackError, match=name):
        LocalSettings.read({name: value})
