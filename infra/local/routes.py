"""The HTTP API's routes, made after the deploy.

Defect in MiniStack 1.5.33: `Body` of AWS::ApiGatewayV2::Api, which is how SAM states the routes of
an HTTP API, is ignored. So they are read from the processed template and made one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]

VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Route:
    """One route of an OpenAPI body: `authorizer` is a security scheme's name."""

    key: str
    function_uri: str
    authorizer: str | None


@dataclass(frozen=True)
class Names:
    """What a deployed stack's references and attributes stand for."""

    references: Mapping[str, str]
    arns: Mapping[str, str]

    def resolve(self, value: Any) -> Any:  # noqa: PLR0911  one for each kind of value
        """A template's value with its intrinsic functions replaced."""
        match value:
            case {"Ref": name}:
                return self.references[name]
            case {"Fn::GetAtt": [name, "Arn"]} | {"Fn::GetAtt": name}:
                return self.arns[name.removesuffix(".Arn")]
            case {"Fn::Sub": str(text)}:
                return VARIABLE.sub(lambda found: self._variable(found[1]), text)
            case {"Fn::Sub": [text, own]}:
                names = Names({**self.references, **self.resolve(own)}, self.arns)
                return names.resolve({"Fn::Sub": text})
            case dict():
                return {key: self.resolve(child) for key, child in value.items()}
            case list():
                return [self.resolve(child) for child in value]
            case _:
                return value

    def _variable(self, name: str) -> str:
        if name.endswith(".Arn"):
            return self.arns[name.removesuffix(".Arn")]
        return self.references[name]


def routes_of(body: JsonObject) -> Iterator[Route]:
    """The routes of a resolved OpenAPI body."""
    for path, operations in body["paths"].items():
        for method, operation in operations.items():
            schemes = [
                name for requirement in operation.get("security", []) for name in requirement
            ]
            yield Route(
                key=f"{method.upper()} {path}",
                function_uri=operation["x-amazon-apigateway-integration"]["uri"],
                authorizer=next((name for name in schemes if name != "NONE"), None),
            )


def make_routes(api_id: str, template: JsonObject, names: Names, gateway: Any) -> None:
    """Give a deployed HTTP API the routes of its template.

    `gateway` is a boto3 client of apigatewayv2. What the API had before is replaced.
    """
    apis = [r for r in template["Resources"].values() if r["Type"] == "AWS::ApiGatewayV2::Api"]
    body = names.resolve(apis[0]["Properties"]["Body"])
    _clear(api_id, gateway)
    schemes = body.get("components", {}).get("securitySchemes", {})
    authorizers = {
        name: _make_authorizer(api_id, name, scheme["x-amazon-apigateway-authorizer"], gateway)
        for name, scheme in schemes.items()
    }
    integrations: dict[str, str] = {}
    for route in routes_of(body):
        if route.function_uri not in integrations:
            integrations[route.function_uri] = gateway.create_integration(
                ApiId=api_id,
                IntegrationType="AWS_PROXY",
                IntegrationUri=route.function_uri,
                IntegrationMethod="POST",
                PayloadFormatVersion="2.0",
            )["IntegrationId"]
        authorization = {}
        if route.authorizer is not None:
            authorizer = authorizers[route.authorizer]
            authorization = {"AuthorizationType": "CUSTOM", "AuthorizerId": authorizer}
        gateway.create_route(
            ApiId=api_id,
            RouteKey=route.key,
            Target=f"integrations/{integrations[route.function_uri]}",
            **authorization,
        )


def _make_authorizer(api_id: str, name: str, stated: JsonObject, gateway: Any) -> str:
    sources = stated["identitySource"]
    if isinstance(sources, str):
        sources = [source.strip() for source in sources.split(",")]
    authorizer = gateway.create_authorizer(
        ApiId=api_id,
        Name=name,
        AuthorizerType="REQUEST",
        AuthorizerUri=stated["authorizerUri"],
        AuthorizerPayloadFormatVersion=str(stated["authorizerPayloadFormatVersion"]),
        EnableSimpleResponses=bool(stated["enableSimpleResponses"]),
        IdentitySource=sources,
        AuthorizerResultTtlInSeconds=int(stated["authorizerResultTtlInSeconds"]),
    )
    return str(authorizer["AuthorizerId"])


def _clear(api_id: str, gateway: Any) -> None:
    kinds: list[tuple[Callable[..., Any], Callable[..., Any], str]] = [
        (gateway.get_routes, gateway.delete_route, "RouteId"),
        (gateway.get_integrations, gateway.delete_integration, "IntegrationId"),
        (gateway.get_authorizers, gateway.delete_authorizer, "AuthorizerId"),
    ]
    for list_all, delete, key in kinds:
        for item in list_all(ApiId=api_id)["Items"]:
            delete(ApiId=api_id, **{key: item[key]})
