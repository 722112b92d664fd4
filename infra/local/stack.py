"""One local stack: its parts, brought up in the background and ended with nothing left."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import requests

from infra.local import build, deploy, tools
from infra.local.errors import LocalStackError
from infra.local.pack import pack
from infra.local.processes import Processes
from infra.local.secret_files import keep, new_secret
from infra.local.settings import (
    ACCOUNT,
    ARCHITECTURE,
    PREFERRED_AGENTKIT_PORT,
    PREFERRED_AWS_PORT,
    REGION,
    ROOT,
    RUNTIME,
    STAGE,
    LocalSettings,
    free_port,
)
from opscore_cli.keys import NewKey, Scope, random_text

EMULATOR, FORWARDER, AGENTKIT = "emulator", "forwarder", "agentkit"
AGENT_PREFIX = "agent-"
OPERATOR_KEY, AGENT_KEY, WEBHOOK_SECRET = "operator.key", "agent.key", "webhook.secret"
SECRETS = (OPERATOR_KEY, AGENT_KEY, WEBHOOK_SECRET)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Addresses:
    """Where the parts of a stack are; kept in stack.json while it is up."""

    base_url: str
    agentkit_url: str
    aws_endpoint: str

    @property
    def port(self) -> int:
        """The public port."""
        return int(self.base_url.rpartition(":")[2])


class LocalStack:
    """A local stack by its settings, whether it is up or not."""

    def __init__(self, settings: LocalSettings, say: Say | None = None) -> None:
        self.settings = settings
        self.processes = Processes(settings.directory)
        self._say: Say = say or partial(print, flush=True)

    @property
    def description(self) -> Path:
        """The file that says where a running stack is."""
        return self.settings.directory / "stack.json"

    @property
    def operator_key(self) -> str:
        """The API key with every right."""
        return keep(self.settings.directory / OPERATOR_KEY, random_text())

    @property
    def agent_key(self) -> str:
        """The API key that the example agents report with."""
        return keep(self.settings.directory / AGENT_KEY, random_text())

    @property
    def webhook_secret(self) -> str:
        """The secret that AgentKit signs registrations with."""
        return keep(self.settings.directory / WEBHOOK_SECRET, new_secret())

    @property
    def addresses(self) -> Addresses:
        """Where a running stack is; raises LocalStackError when it is not up."""
        try:
            stated = json.loads(self.description.read_text())
        except FileNotFoundError:
            raise LocalStackError("the local stack is not up: run `make up`") from None
        return Addresses(stated["baseUrl"], stated["agentkitUrl"], stated["awsEndpoint"])

    @cached_property
    def cloud(self) -> deploy.Cloud:
        """The local AWS of a running stack."""
        return deploy.Cloud(self.addresses.aws_endpoint)

    @property
    def is_up(self) -> bool:
        """Whether every part that was started still runs, and the API answers."""
        names = self.processes.names()
        return (
            self.description.exists()
            and all(map(self.processes.running, names))
            and {EMULATOR, FORWARDER} <= set(names)
            and _answers(f"{self.addresses.base_url}/health")
        )

    def up(self) -> None:
        """Bring everything up; harmless when it is. Raises LocalStackError, with nothing left."""
        tools.check_installed()
        if self.is_up:
            self._say("the local stack is up already")
            return
        self.down()
        try:
            self._bring_up()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End every process of this stack. Keys and logs stay."""
        self.__dict__.pop("cloud", None)
        self.description.unlink(missing_ok=True)
        order = {FORWARDER: 1, AGENTKIT: 2, EMULATOR: 3}
        for name in sorted(self.processes.names(), key=lambda name: order.get(name, 0)):
            self.processes.stop(name)
        shutil.rmtree(self._scratch, ignore_errors=True)
        shutil.rmtree(self._agents, ignore_errors=True)

    def forget(self) -> None:
        """Drop the keys and logs of a stack that is down."""
        for path in SECRETS:
            (self.settings.directory / path).unlink(missing_ok=True)
        shutil.rmtree(self.settings.directory / "logs", ignore_errors=True)

    def start_agentkit(self) -> None:
        """Start the AgentKit stand-in, or start it again after it was killed."""
        addresses = self.addresses
        port = int(addresses.agentkit_url.removesuffix("/v1").rpartition(":")[2])
        command = [sys.executable, "-m", "infra.local.agentkit", "--port", str(port)]
        command += ["--opscore-url", addresses.base_url]
        command += ["--webhook-secret-file", str(self.settings.directory / WEBHOOK_SECRET)]
        if self.settings.offer_agents:
            command.append("--offer-agents")
        self._start(AGENTKIT, command)
        self._await(AGENTKIT, lambda: _answers(f"http://127.0.0.1:{port}/health"))

    def start_agent(
        self,
        behaviour: str,
        name: str | None = None,
        capabilities: tuple[str, ...] = (),
        work_seconds: float = 1,
    ) -> None:
        """Start an example agent; it registers and reports idle by itself: see `agent_id`."""
        name = AGENT_PREFIX + (name or behaviour)
        addresses = self.addresses
        self._agents.mkdir(parents=True, exist_ok=True)
        if not self.processes.running(name):
            # One of this name that has ended left its id, which AgentKit will not give again.
            (self._agents / name).unlink(missing_ok=True)
        command = [sys.executable, "-m", "infra.local.agent", "--behaviour", behaviour]
        for capability in capabilities:
            command += ["--capability", capability]
        command += ["--work-seconds", str(work_seconds)]
        command += ["--agentkit-url", addresses.agentkit_url, "--opscore-url", addresses.base_url]
        command += ["--key-file", str(self.settings.directory / AGENT_KEY)]
        command += ["--id-file", str(self._agents / name)]
        self._start(name, command)

    def agent_id(self, name: str) -> str:
        """The id that AgentKit gave an example agent, once it has reported idle."""
        process = AGENT_PREFIX + name
        path = self._agents / process
        self._await(process, lambda: path.exists() and bool(path.read_text()))
        return path.read_text()

    def kill_agent(self, name: str) -> None:
        """End an example agent as a crash does."""
        self.processes.kill(AGENT_PREFIX + name)

    def function_workers(self) -> list[int]:
        """The pids of the processes in which functions run now."""
        return self.processes.children(EMULATOR)

    def sweep(self) -> None:
        """Run the sweeper now; raises LocalStackError when it fails."""
        function = self.cloud.outputs()["SweeperName"]
        event = json.dumps({"source": "infra.local", "detail-type": "Sweep now"})
        answer = self.cloud.client("lambda").invoke(FunctionName=function, Payload=event)
        if answer.get("FunctionError"):
            raise LocalStackError(
                f"the sweeper failed: {answer['Payload'].read().decode()}",
                self.processes.log(EMULATOR),
            )

    @property
    def _scratch(self) -> Path:
        return self.settings.directory / "tmp"

    @property
    def _agents(self) -> Path:
        return self.settings.directory / "agents"

    def _bring_up(self) -> None:
        port = self._public_port()
        aws_port = free_port(PREFERRED_AWS_PORT)
        agentkit_url = self.settings.agentkit_url
        if agentkit_url is None:
            agentkit_url = f"http://127.0.0.1:{free_port(PREFERRED_AGENTKIT_PORT)}/v1"
        addresses = Addresses(
            f"http://127.0.0.1:{port}", agentkit_url, f"http://127.0.0.1:{aws_port}"
        )
        keys: dict[Scope, str] = {"admin": self.operator_key, "agent": self.agent_key}
        secret = self.webhook_secret

        self._say("starting the local AWS and building")
        self._start_emulator(aws_port)
        template = pack(build.build(self.settings.directory))
        self._await(EMULATOR, lambda: _answers(f"{addresses.aws_endpoint}/_ministack/health"))

        self._say("deploying")
        cloud = deploy.Cloud(addresses.aws_endpoint)
        deploy.deploy(cloud, template, self._parameters(addresses), self.settings.directory)
        deploy.store_webhook_secret(cloud, secret)
        for scope, key in keys.items():
            deploy.store_key(cloud, NewKey(key, scope, f"local-{scope}", datetime.now(UTC), None))

        self._start_forwarder(port, addresses, cloud.outputs()["ApiId"])
        self._describe(addresses)
        if self.settings.agentkit_url is None:
            self.start_agentkit()
        if self.settings.agents:
            self._say("starting agents")
        for behaviour in self.settings.agents:
            self.start_agent(behaviour)
        for behaviour in self.settings.agents:
            self.agent_id(behaviour)

    def _public_port(self) -> int:
        wanted = self.settings.port
        port = free_port(wanted)
        if wanted not in (0, port):
            message = f"port {wanted} is taken: choose another one, as in `make up PORT=8090`"
            raise LocalStackError(message)
        return port

    def _parameters(self, addresses: Addresses) -> dict[str, str]:
        return {
            "Stage": STAGE,
            "Runtime": RUNTIME,
            "Architecture": ARCHITECTURE,
            "AgentKitApiUrl": addresses.agentkit_url,
            "DispatchTransport": self.settings.transport,
            "DirectAllowLoopback": "true",
            **self.settings.parameters,
        }

    def _start_emulator(self, port: int) -> None:
        self._scratch.mkdir(parents=True, exist_ok=True)
        environment = tools.environment(
            # A function may do what its role allows, and nothing else, as on AWS.
            AUTH="true",
            BIND_HOST="127.0.0.1",
            GATEWAY_PORT=str(port),
            IOT_MTLS_ENABLED="0",
            SFN_WAIT_SCALE=str(self.settings.wait_scale),
            TMPDIR=str(self._scratch),
            # No X-Ray daemon listens here.
            POWERTOOLS_TRACE_DISABLED="true",
            MINISTACK_ACCOUNT_ID=ACCOUNT,
            MINISTACK_REGION=REGION,
        )
        command = [str(tools.EMULATOR_PYTHON), "-m", "infra.local.emulator"]
        self.processes.start(EMULATOR, command, environment, ROOT)

    def _start_forwarder(self, port: int, addresses: Addresses, api_id: str) -> None:
        upstream = f"{addresses.aws_endpoint}/_aws/execute-api/{api_id}/$default"
        command = [sys.executable, "-m", "infra.local.forwarder", "--port", str(port)]
        self._start(FORWARDER, [*command, "--upstream", upstream])
        self._await(FORWARDER, lambda: _answers(f"{addresses.base_url}/health"), seconds=40)

    def _describe(self, addresses: Addresses) -> None:
        directory = self.settings.directory
        stated = {
            "baseUrl": addresses.base_url,
            "agentkitUrl": addresses.agentkit_url,
            "awsEndpoint": addresses.aws_endpoint,
            "region": REGION,
            "stage": STAGE,
            "operatorKeyFile": str(directory / OPERATOR_KEY),
            "agentKeyFile": str(directory / AGENT_KEY),
            "webhookSecretFile": str(directory / WEBHOOK_SECRET),
            "logs": str(directory / "logs"),
            "outputs": deploy.Cloud(addresses.aws_endpoint).outputs(),
        }
        self.description.write_text(json.dumps(stated, indent=2) + "\n")

    def _start(self, name: str, command: list[str]) -> None:
        self.processes.start(name, command, tools.environment(), ROOT)

    def _await(self, name: str, ready: Callable[[], Any], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.processes.running(name):
                raise LocalStackError(f"{name} ended as it started", self.processes.log(name))
            if time.monotonic() > deadline:
                message = f"{name} is not ready after {seconds:.0f} seconds"
                raise LocalStackError(message, self.processes.log(name))
            time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=35).ok
    except requests.RequestException:
        return False
