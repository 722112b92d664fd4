"""`sam local invoke` and `sam local start-api` against the running local stack.

The functions run in containers, which the host's loopback is out of reach of. So a forwarding
server stands between them and the local AWS for as long as the command runs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.local import build, tools
from infra.local.deploy import Cloud
from infra.local.errors import LocalStackError
from infra.local.forwarder import Forwarder
from infra.local.settings import ACCOUNT, ARCHITECTURE, REGION, RUNTIME, LocalSettings
from infra.local.stack import LocalStack

PODMANS_HOST, DOCKERS_HOST = "host.containers.internal", "host.docker.internal"
ENDPOINT = "AWS_ENDPOINT_URL"
VARIABLES = re.compile(r"^( *)(STAGE: *(?:\n +Ref: Stage|!Ref Stage))$", re.MULTILINE)

AUTHORIZER = re.compile(r"^( *)FunctionArn:\s+Fn::GetAtt:\s+- (\w+)\s+- Arn$", re.MULTILINE)


def invoke(stack: LocalStack, function: str, event: Path) -> int:
    """Invoke one function, by its folder's name, with an event file; `sam`'s exit status."""
    if not event.is_file():
        raise LocalStackError(f"no event file {event}")
    return _sam_local(stack, ["invoke", logical_id(function), "--event", str(event)])


def start_api(stack: LocalStack, port: int) -> int:
    """Serve the HTTP API until interrupted; `sam`'s exit status."""
    return _sam_local(stack, ["start-api", "--port", str(port), "--warm-containers", "LAZY"])


def logical_id(function: str) -> str:
    """A function's name in template.yaml: state_api is StateApi."""
    return "".join(part.capitalize() for part in function.split("_"))


def host() -> str:
    """The host's name inside a container."""
    return PODMANS_HOST if "podman" in os.environ.get("DOCKER_HOST", "") else DOCKERS_HOST


def for_containers(template: str) -> str:
    """A built template that `sam local` can do all with.

    It fills in only those variables that a template declares, so one is declared for the local
    AWS's endpoint. It finds an authorizer's function by a full ARN only, whatever its account.
    """
    declared, count = VARIABLES.subn(rf"\1{ENDPOINT}: local\n\g<0>", template)
    if count != 1:
        raise LocalStackError("template.yaml gives no STAGE to all functions")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
    return AUTHORIZER.sub(rf"\1FunctionArn: {arn}\2", declared)


def variables(cloud: Cloud, endpoint: str) -> dict[str, dict[str, str]]:
    """The deployed functions' variables, by logical id, with the endpoint in place."""
    functions = cloud.client("lambda")
    found = {}
    for output, name in cloud.outputs().items():
        if ":function:" in name or not output.endswith("Name") or output.endswith("TableName"):
            continue
        configuration = functions.get_function_configuration(FunctionName=name)
        deployed = configuration["Environment"]["Variables"]
        found[output.removesuffix("Name")] = {**deployed, ENDPOINT: endpoint}
    return found


def _sam_local(stack: LocalStack, command: Sequence[str]) -> int:
    directory = stack.settings.directory
    with _reachable(stack.addresses.aws_endpoint) as endpoint:
        built = build.build(directory)
        template = built.with_name("containers.yaml")
        template.write_text(for_containers(built.read_text()))
        values = directory / "containers.json"
        values.write_text(json.dumps(variables(stack.cloud, endpoint)))
        options = ["--template", str(template), "--env-vars", str(values), "--region", REGION]
        options += ["--parameter-overrides", f"Runtime={RUNTIME} Architecture={ARCHITECTURE}"]
        options += ["--container-host-interface", "127.0.0.1"]
        if host() == DOCKERS_HOST:
            # Docker Desktop knows the name by itself, Docker on Linux only when told to.
            options += ["--add-host", f"{DOCKERS_HOST}:host-gateway"]
        return subprocess.run(  # noqa: S603  sam, with what this module made
            [str(tools.SAM), "local", *command, *options],
            env=tools.sam_environment(directory),
            check=False,
        ).returncode


@contextmanager
def _reachable(aws_endpoint: str) -> Iterator[str]:
    """An address of the local AWS that containers can reach."""
    forwarder = Forwarder(0, aws_endpoint, interface="0.0.0.0")  # noqa: S104  containers are not on loopback
    threading.Thread(target=forwarder.serve_forever, daemon=True).start()
    try:
        yield f"http://{host()}:{forwarder.server_port}"
    finally:
        forwarder.shutdown()


def main() -> int:
    """Run one command; 1 and one message on stderr when it cannot be run."""
    parser = argparse.ArgumentParser(prog="infra.local.containers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    invoked = commands.add_parser("invoke")
    invoked.add_argument("function")
    invoked.add_argument("event", type=Path)
    commands.add_parser("start-api").add_argument("--port", type=int, default=3000)
    given = parser.parse_args()
    try:
        stack = LocalStack(LocalSettings.read(os.environ))
        if given.command == "invoke":
            return invoke(stack, given.function, given.event)
        return start_api(stack, given.port)
    except LocalStackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
